"""Tokens, keys, passwords."""
