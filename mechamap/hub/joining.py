"""May this user join that channel? The rule, the facts it rests on, and the verdict, as the user would meet
it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.facts import Facts
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.domain.roles import Ladder
from mechamap.domain.rules import RULES
from mechamap.store.protocol import Directory

from .access import Judge

NO_SOCKET = "0.0"
"""Stands for the connection where Laravel is asked without one; it has the form that Laravel checks."""


class Users(Directory, Protocol):
    """The directory, which may have no table of users."""

    def knows_users(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """The verdict on a user with a good token.

    Attributes:
        decided_by: ``rules``, or ``laravel`` where it decides in their stead; the verdict is then that of
            somebody without credentials, unless Laravel was ``asked`` with some.
        level: where the role stands on the ladder; None: nowhere.
        facts: what was found, by name; rows that do not exist are missing.
        fresh: seconds by which the facts may be old.
    """

    user_id: int
    channel: str
    canonical: str
    decision: Decision
    decided_by: str
    user: UserFacts | None
    level: str | None
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    fresh: float = 0.0
    known: bool = True
    asked: bool = False


class JoinExplaining:
    """Asks the judge and shows what it went by."""

    def __init__(self, judge: Judge, users: Users, ladder: Ladder, fresh: float) -> None:
        self._judge = judge
        self._users = users
        self._ladder = ladder
        self._fresh = fresh

    def explain(
        self, user_id: int, channel: Channel, authorization: str | None = None, address: str | None = None
    ) -> Joining:
        """``authorization``: the user's own, with which Laravel is asked where it decides.

        Raises:
            DirectoryUnavailable: facts are missing for a verdict.
            Unavailable: Laravel was asked and gave none.
        """
        known = self._users.knows_users()
        user = self._users.user(user_id)
        if user is None and known:
            unknown = "No user has this id, so no token of theirs is accepted."
            decision = Decision(False, RULES[channel.kind], unknown, "user_unknown")
            return Joining(
                user_id, channel.name, channel.canonical, decision, "rules", None, None, fresh=self._fresh
            )
        role, name = (user.role, user.name) if user else (None, None)
        identity = Identity(user_id, role, name, TokenKind.JWT, None, "")
        by_laravel = self._judge.defers(identity, channel)
        facts = Facts(user=user) if by_laravel else self._judge.facts(identity, channel)
        credentials = None
        if by_laravel and authorization is not None:
            credentials = Credentials(NO_SOCKET, address, {"Authorization": authorization})
        decision = self._judge.decide(identity, channel, credentials=credentials)
        level = self._ladder.level(role)
        return Joining(
            user_id,
            channel.name,
            channel.canonical,
            decision,
            "laravel" if by_laravel else "rules",
            user,
            level.label if level is not None else None,
            _rows(facts),
            self._fresh,
            known,
            credentials is not None,
        )


def _rows(facts: Facts) -> dict[str, dict[str, Any]]:
    return {name: row for name, row in asdict(facts).items() if row is not None and name != "site"}
