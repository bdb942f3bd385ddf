"""Laravel's tables as they are found: inspected, never created or changed in shape."""
