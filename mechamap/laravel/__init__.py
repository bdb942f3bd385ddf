"""What the server asks Laravel over HTTP: who holds a token, and who may join a channel."""
