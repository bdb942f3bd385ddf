"""How many connections a user may have, over all workers: of too many, the oldest idle ones are ended.

Nobody is refused for it, and a connection costs no round trip of its own: users who came are counted
together, a moment later. Only a user who is over the limit is looked at more closely: all workers are asked
how that user's connections stand, and ping them. A worker that died does not answer, so what the roster still
has of it ends no living connection; a browser that left without a word does not answer either, and goes
before one that is merely idle.

What a worker decides rests on what all workers said, so two that decide at once choose alike; a user stays
noted until the roster shows no more than the limit.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.commands import Action, Command
from mechamap.domain.connection_limit import CODE, REASON, ConnectionLimits, Excess, Standing, excess
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.identity import GUEST_ID
from mechamap.presence.protocol import MOST_ANSWERED, Census

from .connection import Connection
from .connections import Connections
from .protocol import Pings

log = logging.getLogger(__name__)

ROUND = 0.25
"""Seconds between two looks."""
VISIBLE = 0.6
"""Seconds after which a connection can be seen in the roster by all workers; it promises half a second."""
REWRITTEN = 1.0
"""Seconds after which a Redis that was away has again what workers kept for it."""
PATIENCE = 1.5
"""Seconds that a browser has to answer a ping; a telephone with a bad connection takes one."""
DECIDED = PATIENCE + 0.75
"""Seconds after which is decided by the answers there are: a worker is stopped, or has died."""
AGAIN = 5.0
"""Seconds until a user is counted again after a decision."""
MOST_QUESTIONS = 20
"""Users about whom one worker asks at a time."""
MOST_LIVING, WITHIN = 10, 60.0
"""So many connections that answered are ended for one user in so many seconds: a page that connects anew
whenever it is sent away would otherwise go round with the others. A user with twice what is allowed has no
such grace."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked about a user. ``counted`` is what the roster had, ``until`` when to decide."""

    id: str
    counted: int
    until: float


class ConnectionLimit:
    """One worker's part: it notices the users who come to it, and answers for its own connections."""

    def __init__(
        self,
        connections: Connections,
        broker: Broker,
        census: Census,
        pings: Pings,
        limits: ConnectionLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connections = connections
        self._broker = broker
        self._census = census
        self._pings = pings
        self._limits = limits
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._due: dict[int, float] = {}
        self._later: dict[int, float] = {}
        self._asked: dict[int, Question] = {}
        self._ended: dict[int, list[float]] = {}
        self._away = False

    def arrived(self, connection: Connection) -> None:
        """Its user is to be counted. Does not wait."""
        user_id = connection.user_id
        if self._limits.off or user_id == GUEST_ID:
            return
        at = self._clock() + VISIBLE
        due = self._due.get(user_id)
        if user_id in self._asked or (due is not None and due <= at):
            self._later[user_id] = at
        else:
            self._due[user_id] = at

    def look(self) -> None:
        """Decide about those who were asked about, and count those who are due."""
        now = self._clock()
        try:
            for user_id, question in list(self._asked.items()):
                self._decide(user_id, question, now)
            self._count([user_id for user_id, at in self._due.items() if at <= now], now)
        except BrokerUnavailable as err:  # nobody is forgotten
            log.debug("connection_limit_postponed", extra={"code": err.code})
            self._away = True
        self._ended = {u: recent for u, at in self._ended.items() if (recent := _since(at, now - WITHIN))}

    def answer(self, command: Command) -> None:
        """Tell how this worker's connections of the user stand; waits for the browsers' pongs."""
        mine = self._connections.of_user(command.user_id or 0)[:MOST_ANSWERED]
        if not mine:
            return
        for connection in mine:
            self._pings.ping(connection.sid)
        end = self._clock() + PATIENCE
        while not all(self._pings.answers(c.sid) for c in mine) and self._clock() < end:
            self._sleep(0.05)
        found = [self._standing(c) for c in mine if self._connections.get(c.sid) is c]
        try:
            self._census.answer(command.id, found)
        except BrokerUnavailable as err:
            log.debug("survey_not_answered", extra={"code": err.code})

    def _standing(self, connection: Connection) -> Standing:
        now, begun = self._wall_clock(), connection.connected_at
        session = connection.pid or connection.sid  # which brings the session back: not for others to read
        return Standing(
            sid=connection.sid,
            age=now - begun,
            idle=now - max(begun, connection.active_at or begun),
            answers=self._pings.answers(connection.sid),
            session=hashlib.sha256(session.encode()).hexdigest()[:16],
        )

    def _count(self, users: list[int], now: float) -> None:
        if not users:
            return
        counts = self._census.counts(users)
        if self._away:
            self._away = False
            self._due = {user_id: max(at, now + REWRITTEN) for user_id, at in self._due.items()}
            return
        for user_id, count in counts.items():
            limit = self._limit_of(user_id)
            if limit is None or count <= limit:
                self._within(user_id)
            elif len(self._asked) < MOST_QUESTIONS:
                command = Command(Action.SURVEY, user_id=user_id)
                self._broker.command(command)
                del self._due[user_id]
                self._asked[user_id] = Question(command.id, count, now + DECIDED)

    def _decide(self, user_id: int, question: Question, now: float) -> None:
        standings = self._census.answers(question.id)
        if len(standings) < question.counted and now < question.until:
            return
        limit = self._limit_of(user_id)
        if limit is not None:
            surplus = excess(standings, limit)
            self._end(user_id, surplus, self._spared(user_id, surplus, len(standings) > 2 * limit), now)
        del self._asked[user_id]
        self._due[user_id] = now + (VISIBLE if self._later.pop(user_id, None) is not None else AGAIN)

    def _spared(self, user_id: int, surplus: Excess, far_over: bool) -> int:
        """How many of the living are to wait, because too many were ended lately."""
        left = MOST_LIVING - len(self._ended.get(user_id, ()))
        return 0 if far_over else max(0, len(surplus.living) - max(0, left))

    def _end(self, user_id: int, surplus: Excess, spared: int, now: float) -> None:
        living = surplus.living[: len(surplus.living) - spared]
        for sid in (*surplus.gone, *living):
            self._broker.command(Command(Action.KICK, sid=sid, code=CODE, reason=REASON))
        self._ended.setdefault(user_id, []).extend([now] * len(living))
        if surplus.sids:
            about = {"user": user_id, "code": CODE, "gone": len(surplus.gone), "idle": len(living)}
            log.info("connections_over_limit", extra={**about, "spared": spared})

    def _limit_of(self, user_id: int) -> int | None:
        """The user's limit; None without one, or when the user has left this worker."""
        mine = self._connections.of_user(user_id)
        return self._limits.of(max(mine, key=lambda c: c.connected_at).role) if mine else None

    def _within(self, user_id: int) -> None:
        """The user is within the limit: forgotten, unless one more connection came meanwhile."""
        del self._due[user_id]
        later = self._later.pop(user_id, None)
        if later is not None:
            self._due[user_id] = later


def _since(moments: list[float], begin: float) -> list[float]:
    return [moment for moment in moments if moment > begin]
