"""MechaMap's real-time server."""

__version__ = "0.1.0"
