"""Tests of the transport, most of them against the real gunicorn worker."""
