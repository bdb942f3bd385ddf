"""The last hour as workers measured it, kept so that it outlives pages and workers."""
