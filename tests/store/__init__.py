"""The databases: our own, and Laravel's in all its shapes."""
