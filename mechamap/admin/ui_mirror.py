"""What the admin UIs show, kept here as well: each change is told once, and nothing stays that is gone.

The UI believes what it is told: a joining told twice is counted twice, a connection that ends stays in its
rooms until it has left each of them, and one whose worker died stays for good. The tap tells of changes early
and may skip some; the roster knows all of them up to half a second late. Here both are compared with what is
shown.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mechamap.domain.moments import iso
from mechamap.hub.tap import Kind
from mechamap.presence.protocol import ConnectionRecord

from .ui_events import SITE, new_socket, socket_of

SOCKETS = 500
"""Shown at once, the newest; more would fill the UI's queue, and it searches them all at each change."""
CROWDED_OUT = f"not shown any more: not among the newest {SOCKETS}"
LOST = "not there any more"
"""Why a socket is taken away where the tap did not say it."""

Event = tuple[Any, ...]


@dataclass(slots=True)
class _Shown:
    """A socket in the shape of the UI, changed in place. ``record``: the roster's that it is like, until the
    tap tells more; most are the same the next time, and a socket with its rooms is dear to make."""

    socket: dict[str, Any]
    worker: str
    connected_at: float
    record: ConnectionRecord | None = None


class Mirror:
    """One worker's, for all UIs that are connected there. ``spelled`` gives a channel the name that the tap
    has for it: its user may have asked by another."""

    def __init__(self, spelled: Callable[[str], str], most: int = SOCKETS) -> None:
        self._spelled = spelled
        self._most = most
        self._shown: dict[str, _Shown] = {}

    def sockets(self) -> list[dict[str, Any]]:
        """What ``all_sockets`` tells."""
        return [shown.socket for shown in self._shown.values()]

    def fill(self, records: Sequence[ConnectionRecord]) -> None:
        """Begin with this."""
        self._shown = {record.sid: self._of(record) for record in records[: self._most]}

    def follow(self, record: dict[str, Any]) -> Iterator[Event]:
        """What to tell of something that the tap noted."""
        sid, at = record.get("sid", ""), record["at"]
        shown = self._shown.get(sid)
        if record["kind"] == Kind.CONNECT:
            if shown is None:
                # the rest is the roster's to tell; the page shows later only what has a place from the start
                about = {"userId": record.get("user_id"), "name": None, "role": None, "token": None}
                transport, address = record.get("transport", ""), record.get("address")
                socket = new_socket(sid, transport, address, at, about)
                yield self._add(_Shown(socket, record.get("worker", ""), at), at)
            return
        if shown is None:
            return
        shown.record = None
        match record["kind"]:
            case Kind.UPGRADE:
                yield from _transport(shown, record.get("transport", ""))
            case Kind.DISCONNECT | Kind.KICK:
                yield from self._remove(sid, record.get("code", ""), at)
            case Kind.SUBSCRIBE:
                yield from _rooms(shown, joined=record.get("channels", ()), left=(), at=at)
            case Kind.UNSUBSCRIBE:
                yield from _rooms(shown, joined=(), left=record.get("channels", ()), at=at)

    def compare(
        self,
        records: Sequence[ConnectionRecord],
        workers: Collection[str],
        fresh: Collection[str],
        now: float,
    ) -> Iterator[Event]:
        """What to tell so that it is as in the roster.

        Args:
            records: the newest; fewer than are shown at most: all there are.
            workers: who lives.
            fresh: sockets of which the tap told just now; the roster may not know it yet.
        """
        complete = len(records) < self._most
        since = 0.0 if complete else min(record.connected_at for record in records)
        there = {record.sid: record for record in records}
        for sid, shown in list(self._shown.items()):
            expected = complete or shown.connected_at > since or shown.worker not in workers
            if expected and sid not in there and sid not in fresh:
                yield from self._remove(sid, LOST, now)
        # those who came before all that are shown were crowded out, and do not come now
        since = 0.0 if complete else min((s.connected_at for s in self._shown.values()), default=0.0)
        for sid, record in there.items():
            if sid in fresh or record.connected_at < since:
                continue
            shown = self._shown.get(sid)
            if shown is None:
                yield self._add(self._of(record), record.connected_at)
                continue
            if shown.record == record:
                continue
            shown.record, was, wanted = record, shown.socket, self._of(record).socket
            yield from _transport(shown, record.transport)
            about = {name: wanted[name] for name in ("data", "handshake") if was[name] != wanted[name]}
            if about:
                was.update(about)
                yield "socket_updated", {"id": sid, "nsp": SITE, **about}
            have, rooms = set(was["rooms"]), set(wanted["rooms"])
            yield from _rooms(shown, joined=sorted(rooms - have), left=sorted(have - rooms), at=now)

    def trim(self, now: float) -> Iterator[Event]:
        """What to tell so that no more is shown than may be."""
        oldest = sorted(self._shown, key=lambda sid: self._shown[sid].connected_at)
        for sid in oldest[: -self._most]:
            yield from self._remove(sid, CROWDED_OUT, now)

    def _of(self, record: ConnectionRecord) -> _Shown:
        channels = tuple(dict.fromkeys(map(self._spelled, record.channels)))
        socket = socket_of(replace(record, channels=channels))
        return _Shown(socket, record.worker, record.connected_at, record)

    def _add(self, shown: _Shown, at: float) -> Event:
        self._shown[shown.socket["id"]] = shown
        return "socket_connected", shown.socket, iso(at)

    def _remove(self, sid: str, reason: str, at: float) -> Iterator[Event]:
        """In the order of the Node server, so that an open page of the socket keeps its rooms."""
        socket, told = self._shown.pop(sid).socket, iso(at)
        yield "socket_disconnected", SITE, sid, reason, told
        for room in socket["rooms"]:
            yield "room_left", SITE, room, sid, told


def _transport(shown: _Shown, transport: str) -> Iterator[Event]:
    if shown.socket["transport"] != transport:
        shown.socket["transport"] = transport
        yield "socket_updated", {"id": shown.socket["id"], "nsp": SITE, "transport": transport}


def _rooms(shown: _Shown, joined: Sequence[str], left: Sequence[str], at: float) -> Iterator[Event]:
    sid, rooms, told = shown.socket["id"], shown.socket["rooms"], iso(at)
    for room in joined:
        if room not in rooms:
            rooms.append(room)
            yield "room_joined", SITE, room, sid, told
    for room in left:
        if room in rooms:
            rooms.remove(room)
            yield "room_left", SITE, room, sid, told
