"""How many connections a user may have, and which of too many are ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .roles import Ladder, Level

CODE = "connection_limit"
REASON = "You have too many connections; the one that was idle the longest was closed."
DEFAULT = 5
GUEST, BUSINESS, STAFF = 2, 10, 20
"""The application's own table of limits."""
BUSINESS_ROLES = frozenset({"verified_partner", "manufacturer", "supplier", "brand"})


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections a user of each role may have.

    Attributes:
        default: for every role that has no number of its own; 0 means that nobody is limited.
        roles: the numbers of single roles, before all others; 0 means that they are not limited.
    """

    default: int = DEFAULT
    roles: Mapping[str, int] = field(default_factory=dict)
    ladder: Ladder = field(default_factory=Ladder)

    @property
    def off(self) -> bool:
        """Whether nobody is limited."""
        return self.default == 0

    def of(self, role: str | None) -> int | None:
        """The most connections of a user with this role; None without a limit.

        A user whose role nobody knows is not taken for a guest: a site without roles would have guests only.
        """
        if self.off:
            return None
        own = self.roles.get(role or "")
        if own is not None:
            return own or None
        if not role:
            return self.default
        if role in BUSINESS_ROLES:
            return max(BUSINESS, self.default)
        level = self.ladder.level(role)
        if level is Level.GUEST:
            return min(GUEST, self.default)
        if level is not None and level >= Level.MODERATOR:
            return max(STAFF, self.default)
        return self.default


@dataclass(frozen=True, slots=True)
class Standing:
    """A connection as its worker found it when it was asked. Times are seconds before that, because the
    clocks of machines differ.

    Attributes:
        age: since it was accepted.
        idle: since the browser last sent an event by itself; as ``age`` if it never did.
        answers: whether the browser answered a ping just now.
        session: names the session it belongs to, without giving it away.
    """

    sid: str
    age: float
    idle: float
    answers: bool
    session: str


@dataclass(frozen=True, slots=True)
class Excess:
    """Connections beyond a limit, in the order in which they are to be ended.

    Attributes:
        gone: those that nobody uses: their browser does not answer, or has a newer one of the same session.
        living: those that somebody may be looking at, idle the longest first.

    The newest is in neither: its browser may still be too busy loading a page to answer.
    """

    gone: tuple[str, ...] = ()
    living: tuple[str, ...] = ()

    @property
    def sids(self) -> tuple[str, ...]:
        return self.gone + self.living


def excess(standings: Iterable[Standing], limit: int) -> Excess:
    """Which of one user's connections to end so that ``limit`` (1 or more) are left. The same for whoever
    asks, so that two workers which decide at once agree."""
    everyone = list({standing.sid: standing for standing in standings}.values())
    surplus = len(everyone) - limit
    if surplus <= 0:
        return Excess()
    newest, *older = sorted(everyone, key=lambda s: (s.age, s.sid))
    used, unused, sessions = [], [], {newest.session}
    for standing in older:
        if standing.answers and standing.session not in sessions:
            sessions.add(standing.session)
            used.append(standing)
        else:
            unused.append(standing)
    unused.sort(key=lambda s: (s.answers, -s.idle, -s.age, s.sid))
    used.sort(key=lambda s: (-s.idle, -s.age, s.sid))
    gone = unused[:surplus]
    living = used[: surplus - len(gone)]
    return Excess(tuple(s.sid for s in gone), tuple(s.sid for s in living))
