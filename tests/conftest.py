"""What every test starts from: the patched standard library the server runs on, and the real services."""

# The server's workers patch the standard library before the application is imported, so the tests do too, and
# before any other import. subprocess, http.server threads and Playwright's synchronous API all work patched.
from gevent import monkey

monkey.patch_all()

import logging
from collections.abc import Iterator

import pytest

pytest_plugins = (
    "tests.services.redis",
    "tests.services.mariadb",
    "tests.services.application",
    "tests.services.browser_client",
    "tests.services.browser",
    "tests.services.laravel_api",
)


@pytest.fixture(autouse=True, scope="module")
def _own_logging() -> Iterator[None]:
    """An application composed in a test configures logging; the next module starts as pytest left it."""
    root, ours = logging.getLogger(), logging.getLogger("mechamap")
    kept = (root.level, root.handlers[:], ours.level, ours.propagate)
    yield
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]
    ours.setLevel(kept[2])
    ours.propagate = kept[3]
