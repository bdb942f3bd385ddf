"""Events that Laravel wrote into a table beside its own data, published once they are committed."""
