"""Ways in beside the HTTP API: what other programs publish, turned into publications."""
