<?php

// What reaches the server from Laravel's `pusher` and `reverb` drivers: PusherBroadcaster on pusher-http-php 7, which
// Debian does not package. One event per run: `php laravel.php` reads {base, path, app, key, secret, channels, event,
// payload, socket} from stdin and prints the status and the body of each request.

$call = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);

// the broadcaster: a hundred channels a call, `socket_id` only when there is one
foreach (array_chunk($call['channels'], 100) as $channels) {
    $event = ['name' => $call['event'], 'data' => json_encode($call['payload'])];
    $event += count($channels) === 1 ? ['channel' => $channels[0]] : ['channels' => array_values($channels)];
    if ($call['socket'] !== null) {
        $event['socket_id'] = $call['socket'];
    }
    $body = json_encode($event);

    // the library: the option `path` is in the URL and not in what is signed
    $path = "/apps/{$call['app']}/events";
    $query = [
        'auth_key' => $call['key'],
        'auth_timestamp' => time(),
        'auth_version' => '1.0',
        'body_md5' => md5($body),
    ];
    ksort($query);
    $pairs = array_map(fn ($name) => "$name=$query[$name]", array_keys($query));
    $query['auth_signature'] = hash_hmac('sha256', "POST\n$path\n" . implode('&', $pairs), $call['secret']);

    $curl = curl_init($call['base'] . $call['path'] . $path . '?' . http_build_query($query, '', '&', PHP_QUERY_RFC3986));
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'X-Pusher-Library: pusher-http-php 7.2.6'],
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $answer = curl_exec($curl);
    echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' ', $answer, "\n";
}
