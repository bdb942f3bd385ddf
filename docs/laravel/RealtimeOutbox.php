<?php

// app/Services/RealtimeOutbox.php

namespace App\Services;

use Illuminate\Support\Facades\DB;

/**
 * Writes events into the table rt_outbox, from which the real-time server publishes them once they are committed.
 *
 * Call it inside DB::transaction(), after the rows the event tells of: committed together, or neither of them. What
 * cannot be written as JSON throws, so that the transaction is rolled back. Needs Laravel 8 or newer.
 */
class RealtimeOutbox
{
    private const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES
        | JSON_PRESERVE_ZERO_FRACTION;

    /**
     * @param  string|string[]  $channels
     * @param  string|null  $exceptSocket  the Socket.IO id that shall not receive it: request()->header('X-Socket-ID')
     */
    public function publish($channels, string $event, array $data, ?string $exceptSocket = null): void
    {
        // id, uuid, state and created_at are the database's.
        DB::table('rt_outbox')->insert([
            'channels' => json_encode((array) $channels, self::FLAGS),
            'event' => $event,
            'data' => json_encode($data, self::FLAGS),
            'except_socket' => $exceptSocket,
        ]);
    }
}
