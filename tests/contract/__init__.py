"""One suite per protocol, run against every implementation; and what only those on Redis promise."""
