"""One suite per protocol, run against every implementation; and what only the Redis implementations promise."""
