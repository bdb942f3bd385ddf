"""A crowd of raw WebSockets: small enough for every run, large enough to lose something."""
