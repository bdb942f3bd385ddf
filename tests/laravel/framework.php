<?php

/**
 * The part of a Laravel application that docs/laravel uses: the real Illuminate packages (HTTP client, Eloquent, log,
 * configuration) without the skeleton around them.
 */

use Illuminate\Config\Repository;
use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager;
use Illuminate\Http\Client\Factory;
use Illuminate\Log\Logger;
use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\Facade;
use Monolog\Handler\StreamHandler;
use Monolog\Logger as Monolog;

const SHIPPED = __DIR__.'/../../docs/laravel';

// Laravel 8 with PHP 8.2 is deprecated in places that are not ours; anything else, and anything at all in the shipped
// files, ends the run.
set_error_handler(function (int $level, string $message, string $file, int $line): bool {
    $shipped = str_starts_with(realpath($file) ?: $file, realpath(SHIPPED));
    if (! $shipped && in_array($level, [E_DEPRECATED, E_USER_DEPRECATED], true)) {
        return true;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});

foreach (['Config', 'Container', 'Database', 'Http', 'Log', 'Support'] as $package) {
    require_once "Illuminate/{$package}/autoload.php";
}
require_once 'GuzzleHttp/autoload.php';
require_once 'Monolog/autoload.php';

// Laravel's own definitions of these live in its foundation, which no package contains.
function app(string $abstract): mixed
{
    return Container::getInstance()->make($abstract);
}

function config(string $key): mixed
{
    return app('config')->get($key);
}

function now(): Carbon
{
    return Carbon::now();
}

$application = Container::getInstance();
$application->instance('config', new Repository(['broadcasting' => require SHIPPED.'/broadcasting.php']));
$application->instance('log', new Logger(new Monolog('testing', [new StreamHandler('php://stderr')])));
$application->singleton(Factory::class);
Facade::setFacadeApplication($application);

$database = new Manager;
$database->addConnection(['driver' => 'sqlite', 'database' => ':memory:']);
$database->setAsGlobal();
$database->bootEloquent();

require_once SHIPPED.'/NodeJsBroadcastService.php';
require_once SHIPPED.'/UnifiedNotificationService.php';
