"""The application's ways to say over HTTP what is to be published, one module each. All pure: a decoded body
becomes publications, or an order about a user's connections. The plan's own body is ``domain.wire``'s."""
