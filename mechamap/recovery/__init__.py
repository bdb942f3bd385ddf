"""Sessions that clients may return to."""
