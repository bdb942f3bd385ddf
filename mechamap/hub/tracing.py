"""What became of one event at one user's connections on this worker, as far as its books, its journal and its
queues can tell. What they cannot tell is said, not guessed."""

from collections.abc import Sequence

from mechamap.broker.protocol import Broker

from .connection import Connection
from .connections import Connections
from .journal import Entry, Journal, Moment
from .lives import Life, Stay, lives_of, precedes, stay_for
from .protocol import Buffers
from .trace import Event, Outcome, Trace, Traced

MOST = 200
"""Connections of one user that are told of, the latest."""


class Tracing:
    """One worker's part in it."""

    def __init__(self, connections: Connections, journal: Journal, broker: Broker, buffers: Buffers) -> None:
        self._connections = connections
        self._journal = journal
        self._broker = broker
        self._buffers = buffers

    def trace(self, event: Event) -> Traced:
        """What became of the event here."""
        lives = lives_of(self._journal.of_user(event.user_id), self._connections.of_user(event.user_id))
        rooms = frozenset(event.rooms)
        followed = {room for each in self._connections for room in each.canonicals if room in rooms}
        heard = {room: self._heard(room, event) for room in sorted(followed)}
        return Traced(self._journal.since, heard, [self._of(life, event) for life in lives[-MOST:]])

    def _heard(self, room: str, event: Event) -> bool:
        position = self._broker.position(room)
        return position.epoch == event.epoch and position.offset >= event.offset

    def _of(self, life: Life, event: Event) -> Trace:
        outcome, reason, more = self._judge(life, event)
        live = life.live
        queued = self._buffers.buffered(life.sid) if live is not None else None
        connected_at = live.connected_at if live is not None else life.began.at if life.began else None
        return Trace(
            life.sid,
            outcome,
            reason,
            connected_at=connected_at,
            ended_at=life.ended.at if life.ended else None,
            transport=live.transport if live is not None else "",
            frames=queued.packets if queued is not None else 0,
            bytes=queued.bytes if queued is not None else 0,
            **more,
        )

    def _judge(self, life: Life, event: Event) -> tuple[Outcome, str, dict]:
        stay, replayed = stay_for(life, event)
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

    def _at_live(self, live: Connection, stay: Stay, event: Event, *, replayed: bool) -> tuple[Outcome, str]:
        has = live.position
        if has.epoch == event.epoch and has.offset >= event.offset:
            return Outcome.RECEIVED, "The client answered a heartbeat behind it."
        if not replayed and not self._heard(stay.channel, event):
            return Outcome.NOT_HEARD, "Its worker has not had the event from the broker."
        queued = self._buffers.buffered(live.sid)
        if queued is not None and queued.packets:
            return (
                Outcome.QUEUED,
                f"{queued.packets} frames ({queued.bytes} bytes) wait for the client; it may be among them.",
            )
        return (
            Outcome.WRITTEN,
            "All was handed to the network; the next heartbeats will show whether it came through.",
        )


def _absent(life: Life, event: Event) -> tuple[Outcome, str, dict]:
    """Why the event did not come to the connection."""
    if life.ended is not None and precedes(life.ended, event):
        reason = f"It had ended before ({life.ended.code})."
        return Outcome.HAD_ENDED, reason, {"code": life.ended.code}
    if life.began is not None and not precedes(life.began, event):
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
    return max((each for each in entries if precedes(each, event)), key=lambda each: each.at, default=None)
