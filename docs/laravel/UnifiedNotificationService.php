<?php

// app/Services/UnifiedNotificationService.php: send() is the only method that changes.

namespace App\Services;

use App\Models\Notification;
use App\Models\User;
use Illuminate\Support\Facades\Log;

class UnifiedNotificationService
{
    public static function send(
        User $user,
        string $type,
        string $title,
        string $message,
        array $data = [],
        array $channels = ['database']
    ): bool {
        try {
            if (in_array('database', $channels)) {
                // What the method does today: store the notification.
                $notification = Notification::create([
                    'user_id' => $user->id,
                    'type' => $type,
                    'title' => $title,
                    'message' => $message,
                    'data' => $data,
                ]);

                // New: show it at once. It is stored whatever happens here, so the answer does not change the result.
                app(NodeJsBroadcastService::class)->broadcast(
                    "private-user.{$user->id}",
                    'notification.sent',
                    [
                        'id' => $notification->id,
                        'type' => $type,
                        'title' => $title,
                        'message' => $message,
                        'data' => $data,
                        'created_at' => $notification->created_at,
                        'unread_count' => $user->userNotifications()
                            ->where('is_read', false)->count(),
                    ]
                );
            }

            return true;
        } catch (\Exception $e) {
            Log::error('Notification send failed: '.$e->getMessage());

            return false;
        }
    }
}
