"""Passwords of Laravel's users: bcrypt as PHP writes it, computed where it does not stop the worker."""

import bcrypt
from gevent import get_hub
from gevent.lock import BoundedSemaphore
from gevent.monkey import is_module_patched

MAX_BYTES = 72
"""PHP's bcrypt ignores what follows; bcrypt 5 raises instead of ignoring it."""

CONCURRENT = 2
"""Comparisons at a time. The hub's ten threads also resolve host names, which sign-ins must not hold up."""

# Of a text that nobody knows, at Laravel 11's cost of 12: an unknown user takes as long as a wrong password.
DUMMY_HASH = "$2y$12$L9.bLHK6GZg.JZsgLFSL4e6NIXiJHLi5WWgQIdahm6HxnRgDJ1zIK"


class Passwords:
    """Compares passwords with hashes. Cost 12 takes a processor 260 ms; the hub stops for 3 of them."""

    def __init__(self) -> None:
        self._turn = BoundedSemaphore(CONCURRENT)

    def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password. Without a hash (no such user) the answer takes as long and is no.

        Hashes that are not bcrypt match nothing.
        """
        given = password.encode("utf-8", "surrogatepass")[:MAX_BYTES]
        if not is_module_patched("threading"):
            return _compare(given, hashed or DUMMY_HASH) and hashed is not None
        with self._turn:
            equal = get_hub().threadpool.apply(_compare, (given, hashed or DUMMY_HASH))
        return equal and hashed is not None


def _compare(password: bytes, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password, hashed.encode())
    except ValueError:
        return False
