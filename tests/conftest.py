"""What every test starts from: the patched standard library the server runs on, and the real services."""

# The server's workers patch the standard library before the application is imported, so the tests do too, and
# before any other import. subprocess, http.server threads and Playwright's synchronous API all work patched.
from gevent import monkey

monkey.patch_all()

pytest_plugins = (
    "tests.services.redis",
    "tests.services.mariadb",
    "tests.services.application",
    "tests.services.browser_client",
    "tests.services.browser",
    "tests.services.laravel",
)
