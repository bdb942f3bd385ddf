<?php

// app/Services/NodeJsBroadcastService.php

namespace App\Services;

use GuzzleHttp\Exception\ConnectException;
use Illuminate\Http\Client\ConnectionException;
use Illuminate\Http\Client\RequestException;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Log;
use Throwable;

/**
 * Hands events to the real-time server, which delivers them to the browsers in a channel.
 *
 * Runs inside a visitor's request, so it never throws and never holds the page up for long. Needs Laravel 8 or newer.
 */
class NodeJsBroadcastService
{
    /** Seconds. The server is near and answers in milliseconds; longer means that it is away. */
    private const CONNECT_TIMEOUT = 1;

    private const TIMEOUT = 3;

    /** Milliseconds before the one retry: a restarting server is back in less, or stays away. */
    private const RETRY_DELAY = 200;

    /** CURLE_COULDNT_CONNECT, which exists only where PHP has its curl extension. */
    private const COULDNT_CONNECT = 7;

    private string $baseUrl;

    private string $apiKey;

    public function __construct()
    {
        // A missing entry becomes '', which broadcast() reports; null would be a TypeError on the visitor's page.
        $this->baseUrl = rtrim((string) config('broadcasting.connections.nodejs.url'), '/');
        $this->apiKey = (string) config('broadcasting.connections.nodejs.api_key');
    }

    /** Whether the server accepted the event. Accepted means ordered and handed on, also when nobody listens. */
    public function broadcast(string $channel, string $event, array $data): bool
    {
        $context = ['channel' => $channel, 'event' => $event];

        if ($this->baseUrl === '' || $this->apiKey === '') {
            Log::error('Broadcast not configured: set NODEJS_BROADCAST_URL and WEBSOCKET_API_KEY', $context);

            return false;
        }

        try {
            $response = Http::withHeaders([
                'Authorization' => 'Bearer '.$this->apiKey,
                'Content-Type' => 'application/json',
                'Accept' => 'application/json',
                // Both attempts bear the same key, so the server takes the event once, whatever became of the first.
                'Idempotency-Key' => bin2hex(random_bytes(16)),
            ])
                ->withOptions(['connect_timeout' => self::CONNECT_TIMEOUT])
                ->timeout(self::TIMEOUT)
                // A redirect turns POST into GET, and the answer of some other page would pass for success.
                ->withoutRedirecting()
                ->retry(2, self::RETRY_DELAY, fn (Throwable $error) => $this->worthAnotherTry($error))
                ->post($this->baseUrl.'/api/broadcast', [
                    'channel' => $channel,
                    'event' => $event,
                    'data' => $data,
                    'timestamp' => now()->toISOString(),
                ]);

            if ($response->successful()) {
                Log::info('Broadcast successful', $context);

                return true;
            }

            // Only a redirect comes here: for 4xx and 5xx retry() throws.
            Log::error('Broadcast failed', $context + ['status' => $response->status()]);

            return false;
        } catch (RequestException $e) {
            // The server's sentence says which field or limit was broken; it never repeats the data.
            Log::error('Broadcast failed', $context + [
                'status' => $e->response->status(),
                'response' => substr($e->response->body(), 0, 500),
            ]);

            return false;
        } catch (Throwable $e) {
            Log::error('Broadcast exception', $context + ['error' => $e->getMessage()]);

            return false;
        }
    }

    /**
     * Whether sending again is worth the visitor's time: the connection was refused, or the server's Redis is away (503).
     * It could not deliver twice after a timeout either, but the page has waited long enough then.
     */
    private function worthAnotherTry(Throwable $error): bool
    {
        if ($error instanceof RequestException) {
            return $error->response->status() === 503;
        }

        $cause = $error->getPrevious();

        return $error instanceof ConnectionException
            && $cause instanceof ConnectException
            && ($cause->getHandlerContext()['errno'] ?? null) === self::COULDNT_CONNECT;
    }
}
