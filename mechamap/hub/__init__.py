"""The use cases, in terms of the domain and the protocols alone: no Flask, no Socket.IO, no Redis, no SQL."""
