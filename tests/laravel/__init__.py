"""Laravel's side of the contract: the shipped PHP and JavaScript run as they are, against the real server."""
