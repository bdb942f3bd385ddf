<?php

/** Runs one call of the shipped classes: its arguments are a JSON list on stdin, its outcome a JSON object on stdout. */

use App\Models\Notification;
use App\Models\User;
use App\Services\NodeJsBroadcastService;
use App\Services\UnifiedNotificationService;

require __DIR__.'/framework.php';
require __DIR__.'/models.php';

// An empty JSON object becomes PHP's empty array, as in a site that built it with [].
$arguments = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);

$broadcast = fn (string $channel, string $event, array $data) => app(NodeJsBroadcastService::class)
    ->broadcast($channel, $event, $data);

$notify = function (int $userId, string $type, string $title, string $message, array $data, array $channels) {
    $user = User::create(['id' => $userId, 'name' => 'Binh']);

    return UnifiedNotificationService::send($user, $type, $title, $message, $data, $channels);
};

// Text in an encoding that JSON does not have, as an old table may hold it.
$broadcastLatin1 = fn (string $channel, string $event) => $broadcast($channel, $event, ['title' => "caf\xE9"]);

$call = [
    'broadcast' => $broadcast,
    'broadcast-latin1' => $broadcastLatin1,
    'notify' => $notify,
    'tinker' => fn (string $line) => eval("return {$line}"),
][$argv[1]];
$start = hrtime(true);
$returned = $call(...$arguments);

echo json_encode([
    'returned' => $returned,
    'seconds' => (hrtime(true) - $start) / 1e9,
    'stored' => Notification::count(),
], JSON_THROW_ON_ERROR);
