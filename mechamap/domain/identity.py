"""Who is speaking: a person behind a verified token, and what Laravel's tables say of that person."""

from dataclasses import dataclass
from enum import StrEnum


class TokenKind(StrEnum):
    """How a person proved who they are. Guests did not."""

    JWT = "jwt"
    SANCTUM = "sanctum"
    GUEST = "guest"


GUEST_ID = 0
"""Stands for the id of a guest; no user has it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified person.

    Attributes:
        user_id: the id in Laravel's ``users`` table.
        role: as known when the token was verified; access rules prefer fresher facts.
        name: for display in the console only.
        kind: how the token was verified.
        expires_at: Unix seconds after which the token proves nothing; None for tokens without an end.
        token_ref: identifies the token without revealing it (first 16 hex digits of its SHA-256).
        vouched: Laravel itself said just now that the user may sign in: a directory that is away need not be
            asked. Not kept with a connection.
        jti_ref: the same of the token's ``jti`` claim, as ``revocations.digest_of_jti`` has it; empty without
            one.
    """

    user_id: int
    role: str | None
    name: str | None
    kind: TokenKind
    expires_at: float | None
    token_ref: str = ""
    vouched: bool = False
    jti_ref: str = ""

    @property
    def guest(self) -> bool:
        """Whether nobody knows who this is: a browser that only Laravel knows, by its cookies."""
        return self.kind is TokenKind.GUEST


GUEST = Identity(GUEST_ID, "guest", None, TokenKind.GUEST, None)


@dataclass(frozen=True, slots=True)
class UserFacts:
    """One row of ``users``. Columns that a schema lacks keep their defaults, which restrict nothing."""

    user_id: int
    name: str | None
    role: str | None
    active: bool = True
    banned: bool = False
