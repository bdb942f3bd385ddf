"""What every HTTP request and every client passes: proxies, request ids, CORS, headers, errors, rate
limits."""
