"""Sessions in Redis: one key each, under a lease that the workers of its live connections renew.

A worker that was killed leaves its sessions to their leases, which last a recovery window longer than the
last renewal. So channels are written when they change, not when the client leaves; what it has received is
written with the renewal.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count

import redis

from mechamap.broker.connection import Call, Script, command_client, run_together, translated
from mechamap.broker.gathering import Gathering
from mechamap.broker.supervision import join, supervised
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Position
from mechamap.domain.recovery import Kept

from .protocol import Live
from .scripts import END, JOINED, KEEP, LEFT, RENEW

log = logging.getLogger(__name__)

RENEWALS = 4
"""In one recovery window."""
CHUNK = 400
"""Sessions and channels per renewal: Redis does nothing else for a millisecond."""
_VALUE = re.compile(r"([0-9]{1,16})(?: .*)?", re.ASCII | re.DOTALL)


class RedisSessions:
    """``Sessions`` and ``SessionsLink``."""

    def __init__(self, url: str, window: float, *, prefix: str) -> None:
        """``window``: seconds a session waits for its client."""
        self._client = command_client(url)
        self._prefix = f"{prefix}:session:3:"  # the layout's version: servers of another pass by
        self._pause = window / RENEWALS
        self._lease = int((window + 2 * self._pause) * 1000)
        self._live: dict[str, Live] = {}  # by sid: a session may have several
        self._unsure: dict[str, set[str]] = {}  # by sid, the channels that Redis may not know the truth of
        self._turns = count(1)  # of what is written; taken before the truth is looked at
        # a thousand clients that return at once share a few round trips
        self._gathering: Gathering[Call, object] = Gathering(self._send, ("the session", "kept"))
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, live: Live, without: Collection[str] = ()) -> None:
        self._live[live.sid] = live  # first: the connection may end while Redis is being told
        with translated("the session was not kept"):
            self._keep(live, without, takes=True)

    def joined(self, live: Live, name: str) -> None:
        self._changed(live, name)

    def left(self, live: Live, name: str) -> None:
        self._changed(live, name)

    def find(self, pid: str, epoch: str | None = None) -> Kept | None:
        with translated("the session cannot be looked up"):
            fields = self._fields(pid)
        if not fields or b"end" in fields:
            return None
        try:
            kept = _kept(fields)
        except (ValueError, KeyError):
            log.warning("session_malformed")
            return None
        whole = fields.get(b"whole", b"").decode(errors="replace")
        return kept if whole == (epoch or kept.position.epoch) else None

    def ended(self, live: Live, *, final: bool) -> None:
        self._unsure.pop(live.sid, None)
        if self._live.get(live.sid) is live:
            del self._live[live.sid]
        if not final:
            return
        try:
            END.run(self._client, [self._prefix + live.pid], [self._lease, live.sid])
        except redis.RedisError as err:
            log.info("session_not_ended", extra={"error": type(err).__name__})

    def start(self) -> None:
        self._thread = supervised("session-leases", self._renew_all, lambda name: None)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, 2.0)
        self._client.close()

    def _fields(self, pid: str) -> Mapping[bytes, bytes]:
        try:
            return self._client.hgetall(self._prefix + pid)
        except redis.ResponseError as err:
            if not str(err).startswith("WRONGTYPE"):
                raise
            return {b"": b""}  # as malformed as can be

    def _keep(self, live: Live, without: Collection[str] = (), *, takes: bool) -> None:
        turn, kept = next(self._turns), live.kept()
        about = (kept.user_id, live.sid, int(kept.opened[live.sid] * 1000), *_words(kept.position))
        gone = [_field(name) for name in without]
        channels = _flat(kept.channels)
        arguments = [self._lease, int(takes), turn, *about, len(gone), *gone, *channels]
        self._run(KEEP, live, arguments)

    def _run(self, script: Script, live: Live, arguments: Sequence[object]) -> object:
        answer = self._gathering.publish(Call(script, [self._prefix + live.pid], arguments))
        if isinstance(answer, redis.RedisError):
            raise answer
        return answer

    def _send(self, calls: Sequence[Call], told: Callable[[int, object], None]) -> None:
        if len(calls) == 1:  # spares the transaction
            told(0, calls[0].script.run(self._client, calls[0].keys, calls[0].arguments))
            return
        for place, answer in enumerate(run_together(self._client, calls)):
            told(place, answer)

    def _changed(self, live: Live, name: str) -> None:
        try:
            with translated("the change of the session was not kept"):
                self._write(live, name)
        except BrokerUnavailable:
            if self._live.get(live.sid) is live:
                self._unsure.setdefault(live.sid, set()).add(name)
            raise

    def _write(self, live: Live, name: str) -> None:
        """Write whether the connection has the channel; all it has where Redis has lost the session."""
        turn, kept = next(self._turns), live.kept()
        about, since = [self._lease, live.sid, turn], kept.channels.get(name)
        if since is None:
            found = self._run(LEFT, live, [*about, _field(name)])
        else:
            found = self._run(JOINED, live, [*about, kept.position.epoch, *_flat({name: since})])
        if not found and self._live.get(live.sid) is live:
            self._keep(live, takes=False)

    def _renew_all(self) -> None:
        while not self._stopping.wait(self._pause):
            try:
                self._make_sure()
                for chunk in self._chunks():
                    self._renew(chunk)
            except redis.RedisError as err:
                log.warning("sessions_not_renewed", extra={"error": type(err).__name__})

    def _make_sure(self) -> None:
        for sid, names in list(self._unsure.items()):
            while names:
                name = next(iter(names))
                if (live := self._live.get(sid)) is not None:
                    self._write(live, name)
                names.discard(name)
            self._unsure.pop(sid, None)

    def _chunks(self) -> Iterator[list[tuple[Live, int, Mapping[str, int]]]]:
        """Live connections, each with a turn and where it joined its channels, at most ``CHUNK`` of
        connections and channels and one more."""
        chunk, size = [], 0
        for live in list(self._live.values()):
            turn, joins = next(self._turns), live.joins()
            chunk.append((live, turn, joins))
            size += 1 + len(joins)
            if size >= CHUNK:
                yield chunk
                chunk, size = [], 0
                time.sleep(0.001)
        if chunk:
            yield chunk

    def _renew(self, chunk: list[tuple[Live, int, Mapping[str, int]]]) -> None:
        """Renew the leases and tell what has been received; what Redis has lost is written again."""
        keys = [self._prefix + live.pid for live, _, _ in chunk]
        arguments: list[object] = [self._lease]
        for live, turn, joins in chunk:
            about = (live.sid, turn, live.proven or "", *_words(live.position))
            arguments += (*about, len(joins), *_flat(joins))
        known = RENEW.run(self._client, keys, arguments)
        for (live, _, _), knows in zip(chunk, known, strict=True):
            if not knows and self._live.get(live.sid) is live:
                self._keep(live, takes=False)


def _field(name: str) -> str:
    return f"c:{name}"


def _flat(channels: Mapping[str, int]) -> list[object]:
    """Fields and values of channels, one after the other."""
    return [part for name, since in channels.items() for part in (_field(name), since)]


def _words(position: Position) -> tuple[str, int]:
    return position.epoch, position.offset


def _kept(fields: Mapping[bytes, bytes]) -> Kept:
    """A session as it was written.

    Raises:
        KeyError, ValueError: nobody could have written that.
    """
    channels = {}
    for field, value in fields.items():
        if field.startswith(b"c:"):
            channels[field[2:].decode()] = _number(value)
    position = Position(fields[b"epoch"].decode(), _number(fields[b"offset"]))
    opened = {}
    for word in fields[b"sids"].decode().split():
        at, _, sid = word.partition(":")
        opened[sid] = int(at) / 1000
    if not opened:
        raise ValueError("A session without a connection.")
    return Kept(int(fields[b"user"]), opened, position, channels)


def _number(value: bytes) -> int:
    found = _VALUE.fullmatch(value.decode())
    if found is None:
        raise ValueError("No number.")
    return int(found[1])
