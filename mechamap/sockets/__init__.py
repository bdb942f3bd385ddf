"""The Socket.IO edge: parse what a browser sent, call the hub, answer."""
