"""The ``flask`` command, in this process and as an operator runs it."""
