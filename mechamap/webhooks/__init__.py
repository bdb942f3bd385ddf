"""Webhooks: Laravel is told, by signed requests as Pusher makes them, what goes on in its channels."""
