"""The HTTP API for publishers and for the command line."""
