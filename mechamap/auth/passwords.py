"""Passwords of Laravel's users: bcrypt as PHP writes it, computed where it does not stop the worker."""

import re

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

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}", re.ASCII)


class Passwords:
    """Compares passwords with hashes. Cost 12 takes a processor 260 ms; the hub stops for 3 of them."""

    def __init__(self) -> None:
        self._turn = BoundedSemaphore(CONCURRENT)
        self._most = _cost(DUMMY_HASH)

    def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password. Without a hash (no such user) it is not, nor with one that is not
        bcrypt.

        Every no takes as long as one of the costliest hash so far: whose hash has a lower cost, from before
        Laravel raised it, would be told from people who are not there by the shorter time.
        """
        given = password.encode("utf-8", "surrogatepass")[:MAX_BYTES]
        self._most = max(self._most, _cost(hashed))
        if not is_module_patched("threading"):
            return _compare(given, hashed, self._most)
        with self._turn:
            return get_hub().threadpool.apply(_compare, (given, hashed, self._most))


def _compare(password: bytes, hashed: str | None, most: int) -> bool:
    cost = _cost(hashed)
    if hashed is not None and cost and bcrypt.checkpw(password, hashed.encode()):
        return True
    # what the hash cost, and then as much again, and twice as much, up to half of the most: the most in all
    for more in range(cost, most) if cost else (most,):
        bcrypt.checkpw(password, f"{DUMMY_HASH[:4]}{more:02}{DUMMY_HASH[6:]}".encode())
    return False


def _cost(hashed: str | None) -> int:
    """The logarithm of the rounds; 0 of what is no hash of bcrypt."""
    found = _BCRYPT.fullmatch(hashed or "")
    return int(found[1]) if found else 0
