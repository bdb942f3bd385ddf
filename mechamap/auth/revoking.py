"""Revoking people's tokens: in our database, and on live connections everywhere."""

from collections.abc import Callable

from mechamap.domain.commands import LAST_SECOND, Action, Command
from mechamap.domain.identity import Identity
from mechamap.store.revocations import REF_LENGTH, Revocations, digest_of_jti, digest_of_ref, digest_of_token

from .authenticator import TokenAuthenticator

REASON = "The token was revoked."

Give = Callable[[Command], int]
"""Orders connections to be closed; how many they were."""


class Revoking:
    """Each method writes first and orders then: who connects in between is refused by the one or found by the
    other. Raises Unavailable when the database cannot be written, or, behind that, when the order cannot be
    given."""

    def __init__(self, authenticator: TokenAuthenticator, revocations: Revocations) -> None:
        self._authenticator = authenticator
        self._revocations = revocations

    def token(self, token: str, give: Give) -> tuple[Identity, int]:
        """Make a token useless, whose it was and how many connections it had.

        Raises:
            AuthenticationFailed: it opens nothing anyway.
        """
        identity = self._authenticator.authenticate(token)
        self._revocations.revoke(digest_of_token(token), _end(identity.expires_at), identity.user_id)
        return identity, give(_order(identity.token_ref))

    def ref(self, ref: str, expires_at: float | None, user_id: int, give: Give) -> int:
        """The same by its reference, as a live connection has it."""
        self._revocations.revoke(digest_of_ref(ref), _end(expires_at), user_id)
        return give(_order(ref))

    def jti(self, jti: str, expires_at: float, give: Give) -> int:
        """The same by its ``jti`` claim."""
        self._revocations.revoke(digest_of_jti(jti), expires_at)
        return give(_order(digest_of_jti(jti)[:REF_LENGTH]))


def _order(ref: str) -> Command:
    return Command(Action.REVOKE, token=ref, code="token_revoked", reason=REASON)


def _end(expires_at: float | None) -> float:
    return LAST_SECOND if expires_at is None else expires_at
