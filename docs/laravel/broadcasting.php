<?php

// config/broadcasting.php: add the `nodejs` entry to the `connections` that are there.

return [

    'connections' => [

        'nodejs' => [
            // The name of the driver that BroadcastServiceProvider registers with Broadcast::extend(), if the site has
            // one; NodeJsBroadcastService does not need it.
            'driver' => 'nodejs',

            // Where PHP reaches the server. On one machine use 127.0.0.1, not localhost: no detour through ::1.
            'url' => env('NODEJS_BROADCAST_URL', 'http://127.0.0.1:3000'),

            // One of the keys in the server's WEBSOCKET_API_KEY. No default: without it broadcast() says so and sends nothing.
            'api_key' => env('WEBSOCKET_API_KEY'),
        ],

    ],

];
