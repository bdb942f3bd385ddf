"""What became of one event at one user's connections on this worker, as far as its books, its journal and its
queues can tell. What they cannot tell is said, not guessed.

An event has a place in the one sequence, and so has every moment of the journal: what happened to a
connection before the event came by, and what after, is a comparison of two numbers. Only across epochs, where
numbers cannot be compared, clocks are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mechamap.broker.protocol import Broker

from .connection import Connection
from .connections import Connections
from .journal import Entry, Journal, Moment

MOST = 200
"""Connections of one user that are told of, the latest."""


class Outcome(StrEnum):
    """What became of an event at one connection, the best first."""

    RECEIVED = "received"
    """The client answered a heartbeat that went out behind it."""
    WRITTEN = "written"
    """The kernel took all that was for the connection; nothing says yet that the client has it."""
    QUEUED = "queued"
    """Something still waits for the connection, and it may be among that."""
    UNPROVEN = "unproven"
    """It was written or waited when the connection ended."""
    DROPPED = "dropped"
    """The connection was closed with what waited for it, because the client did not keep up."""
    NOT_HEARD = "not_heard"
    """The worker has not had it from the broker yet."""
    EXCLUDED = "excluded"
    """The connection sent it, or its publisher left the connection out."""
    NOT_SUBSCRIBED = "not_subscribed"
    CAME_LATER = "came_later"
    """It connected behind the event and was not owed it."""
    HAD_ENDED = "had_ended"
    """It ended before the event came."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """Which event, and whose connections: the question to a worker."""

    user_id: int
    rooms: tuple[str, ...]
    epoch: str
    offset: int
    accepted_at: float
    except_id: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer about one connection. Times are Unix seconds.

    Attributes:
        connected_at: None if it connected before what the worker remembers.
        channel: canonical; the one through which it came, or would have.
        replayed: whether it came as something missed, not as it was published.
        code: of a refusal, a leaving or an end that explains the outcome.
        frames, bytes: what waits for a live connection now.
    """

    sid: str
    outcome: Outcome
    reason: str
    channel: str = ""
    replayed: bool = False
    code: str = ""
    connected_at: float | None = None
    ended_at: float | None = None
    transport: str = ""
    frames: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Traced:
    """The answer of one worker.

    Attributes:
        remembers_since: what happened before may have been forgotten.
        heard: of the event's channels with subscribers here now, whether the worker had the event.
    """

    remembers_since: float
    heard: dict[str, bool] = field(default_factory=dict)
    connections: list[Trace] = field(default_factory=list)


@dataclass(slots=True)
class _Stay:
    """A connection was in a channel. ``begin`` None: before what is remembered."""

    channel: str
    begin: Entry | None
    since: int
    epoch: str
    left: Entry | None = None


@dataclass(slots=True)
class _Life:
    """What is known of one connection."""

    sid: str
    live: Connection | None = None
    began: Entry | None = None
    ended: Entry | None = None
    stays: list[_Stay] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)


class Tracing:
    """One worker's part in it."""

    def __init__(
        self,
        connections: Connections,
        journal: Journal,
        broker: Broker,
        waiting: Callable[[str], tuple[int, int]],
    ) -> None:
        """``waiting``: frames and bytes that wait for a local connection."""
        self._connections = connections
        self._journal = journal
        self._broker = broker
        self._waiting = waiting

    def trace(self, event: Event) -> Traced:
        """What became of the event here."""
        lives = _lives(self._journal.of_user(event.user_id), self._connections.of_user(event.user_id))
        rooms = frozenset(event.rooms)
        followed = {room for each in self._connections for room in each.canonicals if room in rooms}
        heard = {room: self._heard(room, event) for room in sorted(followed)}
        return Traced(self._journal.since, heard, [self._of(life, event) for life in lives[-MOST:]])

    def _heard(self, room: str, event: Event) -> bool:
        position = self._broker.position(room)
        return position.epoch == event.epoch and position.offset >= event.offset

    def _of(self, life: _Life, event: Event) -> Trace:
        outcome, reason, more = self._judge(life, event)
        live = life.live
        frames, size = self._waiting(life.sid) if live is not None else (0, 0)
        connected_at = live.connected_at if live is not None else life.began.at if life.began else None
        return Trace(
            life.sid,
            outcome,
            reason,
            connected_at=connected_at,
            ended_at=life.ended.at if life.ended else None,
            transport=live.transport if live is not None else "",
            frames=frames,
            bytes=size,
            **more,
        )

    def _judge(self, life: _Life, event: Event) -> tuple[Outcome, str, dict]:
        stay, replayed = _stay_for(life, event)
        if stay is None:
            return _absent(life, event)
        about: dict = {"channel": stay.channel, "replayed": replayed}
        senders = {life.sid, *(life.began.sids if replayed and life.began else ())}
        if event.except_id in senders:
            return Outcome.EXCLUDED, "Its sender does not get it (X-Socket-ID, toOthers).", about
        if life.live is not None:
            return (*self._at_live(life.live, stay, event, replayed=replayed), about)
        end = life.ended
        assert end is not None, "a connection is live or has ended"
        about["code"] = end.code
        if end.epoch == event.epoch and end.confirmed >= event.offset:
            return Outcome.RECEIVED, "The client answered a heartbeat behind it, before it ended.", about
        if end.code == "slow_consumer":
            return (
                Outcome.DROPPED,
                "The client did not keep up: the connection was closed, and what waited went with it.",
                about,
            )
        return (
            Outcome.UNPROVEN,
            "It was handed to the connection, which ended before the client had proved that it has it.",
            about,
        )

    def _at_live(self, live: Connection, stay: _Stay, event: Event, *, replayed: bool) -> tuple[Outcome, str]:
        has = live.position
        if has.epoch == event.epoch and has.offset >= event.offset:
            return Outcome.RECEIVED, "The client answered a heartbeat behind it."
        if not replayed and not self._heard(stay.channel, event):
            return Outcome.NOT_HEARD, "Its worker has not had the event from the broker."
        frames, size = self._waiting(live.sid)
        if frames:
            return (
                Outcome.QUEUED,
                f"{frames} frames ({size} bytes) wait for the client; it may be among them.",
            )
        return (
            Outcome.WRITTEN,
            "All was handed to the network; the next heartbeats will show whether it came through.",
        )


def _lives(entries: Iterable[Entry], live: Iterable[Connection]) -> list[_Life]:
    """The connections of which something is known, the earliest first."""
    lives: dict[str, _Life] = {}
    for entry in entries:
        life = lives.setdefault(entry.sid, _Life(entry.sid))
        match entry.moment:
            case Moment.CONNECTED:
                life.began = entry
            case Moment.ENDED:
                life.ended = entry
            case Moment.REFUSED:
                life.refused.append(entry)
            case Moment.JOINED:
                life.stays.append(_Stay(entry.channel, entry, entry.since, entry.epoch))
            case Moment.LEFT:
                _leave(life, entry)
    for connection in live:
        life = lives.setdefault(connection.sid, _Life(connection.sid))
        life.live = connection
        known = {stay.channel for stay in life.stays if stay.left is None}
        for canonical, since in connection.owed():
            if canonical not in known:  # joined before what is remembered
                life.stays.append(_Stay(canonical, None, since, connection.position.epoch))
    # one that neither lives nor has an end is just being accepted: nothing can be said of it
    return [life for life in lives.values() if life.live is not None or life.ended is not None]


def _leave(life: _Life, entry: Entry) -> None:
    for stay in life.stays:
        if stay.channel == entry.channel and stay.left is None:
            stay.left = entry
            return
    life.stays.append(_Stay(entry.channel, None, 0, entry.epoch, entry))


def _stay_for(life: _Life, event: Event) -> tuple[_Stay | None, bool]:
    """The stay through which the event came to the connection, and whether as one that it had missed."""
    if life.ended is not None and _precedes(life.ended, event):
        return None, False
    for stay in life.stays:
        if stay.channel not in event.rooms:
            continue
        if stay.begin is None:
            owed = stay.epoch != event.epoch or stay.since < event.offset
            if owed and not (stay.left is not None and _precedes(stay.left, event)):
                return stay, False
            continue
        if stay.begin.epoch == event.epoch and stay.since < event.offset <= stay.begin.offset:
            return stay, True
        if _precedes(stay.begin, event) and not (stay.left is not None and _precedes(stay.left, event)):
            return stay, False
    return None, False


def _precedes(entry: Entry, event: Event) -> bool:
    """Whether the moment was before the event came by."""
    if entry.epoch == event.epoch:
        return entry.offset < event.offset
    return entry.at < event.accepted_at


def _absent(life: _Life, event: Event) -> tuple[Outcome, str, dict]:
    """Why the event did not come to the connection."""
    if life.ended is not None and _precedes(life.ended, event):
        reason = f"It had ended before ({life.ended.code})."
        return Outcome.HAD_ENDED, reason, {"code": life.ended.code}
    if life.began is not None and not _precedes(life.began, event):
        return (
            Outcome.CAME_LATER,
            "It connected behind the event, and brought no session that was owed it.",
            {"code": life.began.code},
        )
    about = [entry for entry in life.refused if entry.channel in event.rooms]
    gone = [stay.left for stay in life.stays if stay.channel in event.rooms and stay.left is not None]
    if explained := _last_before([*about, *gone], event):
        said = "was refused the channel" if explained.moment is Moment.REFUSED else "had left the channel"
        more = {"channel": explained.channel, "code": explained.code}
        return Outcome.NOT_SUBSCRIBED, f"It {said} ({explained.code}).", more
    if later := [s.begin for s in life.stays if s.channel in event.rooms and s.begin is not None]:
        more = {"channel": later[0].channel}
        return Outcome.NOT_SUBSCRIBED, "It subscribed only behind the event.", more
    if life.began is None and life.live is None:
        return Outcome.UNKNOWN, "The worker does not remember which channels it had.", {}
    return Outcome.NOT_SUBSCRIBED, "It had not asked for the channel, as far as is remembered.", {}


def _last_before(entries: Sequence[Entry], event: Event) -> Entry | None:
    return max((each for each in entries if _precedes(each, event)), key=lambda each: each.at, default=None)
