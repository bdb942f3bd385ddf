"""Proof of identity: people's tokens, publishers' keys, passwords."""
