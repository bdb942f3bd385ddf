<?php

/** The two models of the site that UnifiedNotificationService uses, with their tables. */

namespace App\Models;

use Illuminate\Database\Capsule\Manager as Database;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\HasMany;

class User extends Model
{
    protected $guarded = [];

    public function userNotifications(): HasMany
    {
        return $this->hasMany(Notification::class);
    }
}

class Notification extends Model
{
    protected $guarded = [];

    protected $casts = ['data' => 'array', 'is_read' => 'boolean'];
}

Database::schema()->create('users', function ($table) {
    $table->id();
    $table->string('name');
    $table->timestamps();
});

Database::schema()->create('notifications', function ($table) {
    $table->id();
    $table->foreignId('user_id');
    $table->string('type', 50);
    $table->string('title');
    $table->text('message');
    $table->json('data')->nullable();
    $table->boolean('is_read')->default(false);
    $table->timestamps();
});
