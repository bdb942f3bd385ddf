<?php

/**
 * Laravel's own broadcasters (illuminate/broadcasting), without the application around them.
 *
 *   php laravel.php           publishes by the `redis` driver what stdin says: {host, port, prefix, channels, event,
 *                             payload, socket?}
 *   php -S 127.0.0.1:PORT laravel.php   is POST /broadcasting/auth, by the driver that BROADCASTER names, `redis` or `pusher`
 *
 * Who asks is known by the cookie `laravel_session=user-{id}` or by `Bearer user-{id}`, whatever follows it.
 */

use Illuminate\Broadcasting\Broadcasters\PusherBroadcaster;
use Illuminate\Broadcasting\Broadcasters\RedisBroadcaster;
use Illuminate\Container\Container;
use Illuminate\Http\Request;
use Illuminate\Redis\RedisManager;
use Symfony\Component\HttpKernel\Exception\HttpException;

foreach (['Broadcasting', 'Container', 'Http', 'Redis', 'Support'] as $package) {
    require_once "Illuminate/{$package}/autoload.php";
}

if (PHP_SAPI === 'cli') {
    $order = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
    $redis = new RedisManager(new Container, 'phpredis', [
        'options' => ['prefix' => $order['prefix']],
        'default' => ['host' => $order['host'], 'port' => $order['port'], 'database' => 0],
    ]);
    // What the queued job of an event calls: its public properties, and the page that asked.
    (new RedisBroadcaster($redis, 'default', $order['prefix']))
        ->broadcast($order['channels'], $order['event'], $order['payload'] + ['socket' => $order['socket'] ?? null]);
    exit;
}

/** As pusher-http-php, which Debian does not package, signs what the broadcaster hands it. */
class PusherLibrary
{
    public function socket_auth(string $channel, string $socketId, ?string $data = null): string
    {
        $signed = "{$socketId}:{$channel}" . ($data === null ? '' : ":{$data}");
        $auth = ['auth' => getenv('PUSHER_APP_KEY') . ':' . hash_hmac('sha256', $signed, getenv('PUSHER_APP_SECRET'))];

        return json_encode($auth + ($data === null ? [] : ['channel_data' => $data]), JSON_UNESCAPED_SLASHES);
    }

    public function presence_auth(string $channel, string $socketId, $userId, $info = null): string
    {
        return $this->socket_auth($channel, $socketId, json_encode(['user_id' => $userId, 'user_info' => $info]));
    }
}
class_alias(PusherLibrary::class, 'Pusher\Pusher');

class User
{
    public function __construct(public int $id) {}

    public function getAuthIdentifier(): int
    {
        return $this->id;
    }
}

$request = Request::capture();
$request->setUserResolver(function () use ($request): ?User {
    // As Sanctum's guard: the session first, then a token.
    $known = $request->cookies->get('laravel_session') ?? $request->bearerToken() ?? '';

    return preg_match('/^user-(\d+)\b/', $known, $found) ? new User((int) $found[1]) : null;
});
$broadcaster = getenv('BROADCASTER') === 'pusher'
    ? new PusherBroadcaster(new Pusher\Pusher)
    : new RedisBroadcaster(new RedisManager(new Container, 'phpredis', []));

// routes/channels.php
$broadcaster->channel('order.{id}', fn (User $user, string $id) => $user->id === (int) $id);
$broadcaster->channel('room.{id}', fn (User $user, string $id) => ['id' => $user->id, 'name' => "User {$user->id}"]);

try {
    if ($request->path() !== 'broadcasting/auth') {
        throw new HttpException(404);
    }
    $answer = $broadcaster->auth($request);
    header('Content-Type: ' . (is_string($answer) ? 'text/html; charset=UTF-8' : 'application/json'));
    echo is_string($answer) ? $answer : json_encode($answer);
} catch (HttpException $refusal) {
    http_response_code($refusal->getStatusCode());
    header('Content-Type: application/json');
    echo json_encode(['message' => $refusal->getMessage()]);
}
