"""The databases: our own tables, and Laravel's as they are found."""
