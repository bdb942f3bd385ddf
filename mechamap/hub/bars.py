"""Who was barred lately: what closes the moment between a verified token and its connection's admission."""

import time
from collections.abc import Callable

from mechamap.domain.errors import AuthenticationFailed, UserBlocked
from mechamap.domain.identity import Identity

REMEMBERED = 60.0
"""Seconds: longer than any sign-in takes. After that the database alone is asked."""
MOST = 10_000
"""Of each kind; the oldest go first."""


class Bars:
    """What this worker was ordered, kept for a minute. Everything else about blocks and revocations stands in
    the database, which sign-ins ask; but one that asked just before the order may be admitted just after."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # user → end of the block, and when it is forgotten here
        self._users: dict[int, tuple[float, float]] = {}
        self._tokens: dict[str, float] = {}

    def block(self, user_id: int, until: float) -> None:
        """The user stays out until then."""
        self._users.pop(user_id, None)
        self._users[user_id] = (until, self._clock() + REMEMBERED)
        self._shorten(self._users)

    def unblock(self, user_id: int) -> None:
        """The user may come in."""
        self._users.pop(user_id, None)

    def revoke(self, ref: str) -> None:
        """The token opens nothing any more."""
        self._tokens[ref] = self._clock() + REMEMBERED
        self._shorten(self._tokens)

    def check(self, identity: Identity) -> None:
        """
        Raises:
            UserBlocked, AuthenticationFailed: who was verified before is not let in now.
        """
        if not self._users and not self._tokens:
            return
        now = self._clock()
        until, forgotten = self._users.get(identity.user_id, (0.0, 0.0))
        if not identity.guest and now < min(until, forgotten):
            raise UserBlocked(until)
        for ref in (identity.token_ref, identity.jti_ref):
            if ref and now < self._tokens.get(ref, 0.0):
                raise AuthenticationFailed("the token was revoked.", code="token_revoked")

    def _shorten(self, kept: dict) -> None:
        if len(kept) > MOST:
            del kept[next(iter(kept))]
