<?php

/**
 * Sends what the application's own classes send, as they build and send it, and prints the statuses and answers as JSON.
 * Arguments: the server's URL, its secret, and a user's id.
 */

use Illuminate\Container\Container;
use Illuminate\Http\Client\Factory;
use Illuminate\Http\Client\Response;

foreach (['Container', 'Http', 'Support'] as $package) {
    require_once "Illuminate/{$package}/autoload.php";
}
require_once 'GuzzleHttp/autoload.php';

/** As Illuminate\Broadcasting\Channel: json_encode makes an object of it, casting to string its name. */
class Channel
{
    public function __construct(public string $name) {}

    public function __toString(): string
    {
        return $this->name;
    }
}

[, $url, $secret, $userId] = $argv;
$userId = (int) $userId;
$http = new Factory;
$answers = [];
$note = function (string $name, Response $response) use (&$answers): void {
    $answers[$name] = ['status' => $response->status(), 'body' => $response->json()];
};

// The broadcast driver: channel objects, no key, the socket inside the payload.
$driver = fn (array $channels, string $event, array $payload): Response => $http->timeout(5)
    ->post("{$url}/api/laravel-broadcast", [
        'channels' => $channels,
        'event' => $event,
        'data' => [...$payload, 'socket' => null],
        'timestamp' => gmdate('Y-m-d\TH:i:s.v\Z'),
    ]);
$note('driver', $driver(
    [new Channel('thread.10'), new Channel("private-user.{$userId}")],
    'comment.created',
    ['type' => 'comment.created', 'comment' => ['id' => 9, 'content' => 'Bu lông M8×40 – thép']],
));

// The notification service, at once, and the same row through the driver.
$row = ['id' => 41, 'type' => 'comment', 'title' => 'Xin chào', 'is_read' => false, 'action_url' => '/threads/10'];
$note('service', $http->withToken($secret)->timeout(5)->post("{$url}/api/broadcast", [
    'event' => 'notification',
    'user_id' => $userId,
    'channel' => "user.{$userId}",
    'priority' => 'normal',
    'data' => $row,
    'metadata' => ['version' => '1.0', 'source' => 'laravel', 'request_id' => uniqid(), 'unread_count' => 3],
]));
$note('received', $driver(
    [new Channel("private-user.{$userId}"), new Channel('private-notifications.role.member')],
    'notification.received',
    [...$row, 'user_id' => $userId],
));

// The service for messages and showcases.
$keyed = $http->withHeaders(['Authorization' => "Bearer {$secret}", 'Content-Type' => 'application/json']);
$note('notify', $keyed->post("{$url}/api/notify", [
    'action' => 'send_to_user',
    'user_id' => $userId,
    'data' => ['type' => 'message_received', 'conversation_id' => 6],
]));

// The service for groups, whose data may be an empty array.
$group = fn (array $data): Response => $keyed->post("{$url}/api/laravel-broadcast", $data);
$note('group', $group([
    'action' => 'broadcast_to_channel',
    'channel' => 'group.5',
    'event' => 'group_updated',
    'data' => [],
]));
$note('join', $group(['action' => 'join_channel', 'user_id' => $userId, 'channel' => 'group.5']));
$note('stats', $keyed->get("{$url}/api/channel-stats/group.5"));

// A driver with the wrong key is refused even here.
$note('wrong', $http->withToken('wrong')->post("{$url}/api/laravel-broadcast", [
    'channels' => [new Channel('thread.10')], 'event' => 'e', 'data' => [],
]));

echo json_encode($answers, JSON_THROW_ON_ERROR);
