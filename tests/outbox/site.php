<?php

/** A Laravel site that writes events in transactions: `site.php DATABASE LINE` runs one line of PHP as tinker would. */

use App\Services\RealtimeOutbox;

require __DIR__.'/../laravel/framework.php';
require_once SHIPPED.'/RealtimeOutbox.php';

$database->addConnection(['driver' => 'sqlite', 'database' => $argv[1]]);
$application->instance('db', $database->getDatabaseManager());

class_alias(Illuminate\Support\Facades\DB::class, 'DB');

$outbox = app(RealtimeOutbox::class);
$sent = fn (string $event, array $data = [], $channels = 'private-user.2') => $outbox->publish($channels, $event, $data);

try {
    eval($argv[2]);
    echo 'done';
} catch (Throwable $error) {
    echo get_class($error);
}
