"""What every test starts from: the patched standard library the server runs on, and the real services."""

# The server's workers patch the standard library before the application is imported, so the tests do too, and
# before any other import. subprocess, http.server threads and Playwright's synchronous API all work patched.
from gevent import monkey

monkey.patch_all()

import logging
from collections.abc import Iterator

import pytest

from tests.clock import Clock

pytest_plugins = (
    "tests.services.redis",
    "tests.services.mariadb",
    "tests.services.application",
    "tests.services.browser_client",
    "tests.services.browser",
    "tests.services.laravel_api",
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True, scope="session")
def _logging_at_first() -> tuple[int, list[logging.Handler], int, bool]:
    """As pytest left it: read before any fixture composes an application, whatever that one's scope."""
    root, ours = logging.getLogger(), logging.getLogger("mechamap")
    return root.level, root.handlers[:], ours.level, ours.propagate


@pytest.fixture(autouse=True, scope="module")
def _own_logging(_logging_at_first: tuple[int, list[logging.Handler], int, bool]) -> Iterator[None]:
    """An application composed in a test configures logging; the next module starts as the first one did."""
    yield
    root, ours = logging.getLogger(), logging.getLogger("mechamap")
    root_level, root.handlers[:], level, ours.propagate = _logging_at_first
    root.setLevel(root_level)
    ours.setLevel(level)
