"""The assembled application, driven from outside as its users drive it."""
