"""Presence: who is connected, where, under leases that end when a worker does."""
