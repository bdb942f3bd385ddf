"""Fixtures of the databases; see site.py."""

from tests.store.site import application_site, own_server, server_for, site, watch

__all__ = ["application_site", "own_server", "server_for", "site", "watch"]
