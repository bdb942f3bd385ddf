"""What the admin UIs are told so that they show what is: each change once, and nothing that is gone."""

from dataclasses import replace
from typing import Any

import pytest

from mechamap.admin.ui_mirror import CROWDED_OUT, LOST, Mirror
from mechamap.hub.tap import Kind
from mechamap.presence.protocol import ConnectionRecord

NOW = 1_000.0
WORKERS = {"w"}


def there(sid: str, *channels: str, at: float = 100.0, worker: str = "w") -> ConnectionRecord:
    """A connection in the roster."""
    return ConnectionRecord(
        sid, 2, "Binh", "member", worker, "websocket", "192.0.2.1", "Firefox", "jwt", at, None, channels
    )


def noted(kind: Kind, sid: str, **about: Any) -> dict[str, Any]:
    """A record of the tap."""
    return {"kind": kind.value, "sid": sid, "at": 200.0, "worker": "w", "user_id": 2, **about}


class Page:
    """Does what the UI's page does with what it is told, and no more."""

    def __init__(self) -> None:
        self.sockets: dict[str, dict[str, Any]] = {}
        self.rooms: dict[str, list[str]] = {}
        self.reasons: list[str] = []

    def hear(self, events: Any) -> int:
        """How many they were."""
        heard = list(events)
        for name, *args in heard:
            getattr(self, name)(*args)
        return len(heard)

    def socket_connected(self, socket: dict[str, Any], at: str) -> None:
        assert socket["id"] not in self.sockets
        self.sockets[socket["id"]] = {**socket}
        for room in socket["rooms"]:
            self.rooms.setdefault(room, []).append(socket["id"])

    def socket_updated(self, about: dict[str, Any]) -> None:
        self.sockets[about["id"]].update(about)

    def socket_disconnected(self, nsp: str, sid: str, reason: str, at: str) -> None:
        del self.sockets[sid]
        self.reasons.append(reason)

    def room_joined(self, nsp: str, room: str, sid: str, at: str) -> None:
        self.rooms.setdefault(room, []).append(sid)

    def room_left(self, nsp: str, room: str, sid: str, at: str) -> None:
        self.rooms[room].remove(sid)
        if not self.rooms[room]:
            del self.rooms[room]


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(str, most=3)


@pytest.fixture
def page() -> Page:
    return Page()


def test_a_connection_takes_its_rooms_along_when_it_ends(mirror, page):
    page.hear(mirror.follow(noted(Kind.CONNECT, "1.a", transport="polling")))
    page.hear(mirror.follow(noted(Kind.SUBSCRIBE, "1.a", channels=["public.x", "public.y"])))
    page.hear(mirror.follow(noted(Kind.UNSUBSCRIBE, "1.a", channels=["public.y"])))
    page.hear(mirror.follow(noted(Kind.UPGRADE, "1.a", transport="websocket")))
    assert page.rooms == {"1.a": ["1.a"], "public.x": ["1.a"]}
    assert page.sockets["1.a"]["transport"] == "websocket"
    page.hear(mirror.follow(noted(Kind.KICK, "1.a", code="operator")))
    assert (page.sockets, page.rooms, page.reasons) == ({}, {}, ["operator"])
    assert mirror.sockets() == []


def test_what_is_shown_already_is_not_told_again(mirror, page):
    page.hear(mirror.compare([there("1.a", "public.x")], WORKERS, (), NOW))
    assert page.hear(mirror.compare([there("1.a", "public.x")], WORKERS, (), NOW)) == 0
    assert page.hear(mirror.follow(noted(Kind.CONNECT, "1.a"))) == 0
    assert page.hear(mirror.follow(noted(Kind.SUBSCRIBE, "1.a", channels=["public.x"]))) == 0
    assert page.hear(mirror.follow(noted(Kind.UNSUBSCRIBE, "1.a", channels=["public.z"]))) == 0
    assert page.rooms["public.x"] == ["1.a"]


def test_what_the_tap_told_wrongly_is_mended_by_a_roster_that_did_not_change(mirror, page):
    page.hear(mirror.compare([there("1.a", "public.x")], WORKERS, (), NOW))
    page.hear(mirror.follow(noted(Kind.UNSUBSCRIBE, "1.a", channels=["public.x"])))
    page.hear(mirror.compare([there("1.a", "public.x")], WORKERS, (), NOW))
    assert page.rooms["public.x"] == ["1.a"]


def test_channels_of_one_meaning_are_one_room(page):
    mirror = Mirror({"thread.1": "presence-thread.1"}.get)
    page.hear(mirror.compare([there("1.a", "thread.1")], WORKERS, (), NOW))
    page.hear(mirror.follow(noted(Kind.SUBSCRIBE, "1.a", channels=["presence-thread.1"])))
    assert page.rooms == {"1.a": ["1.a"], "presence-thread.1": ["1.a"]}


def test_of_a_stranger_nothing_is_told(mirror, page):
    for kind in (Kind.UPGRADE, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.DISCONNECT):
        assert page.hear(mirror.follow(noted(kind, "1.z", channels=["public.x"]))) == 0


def test_what_the_tap_skipped_comes_with_the_roster(mirror, page):
    page.hear(mirror.compare([there("1.a", "public.x"), there("1.b")], WORKERS, (), NOW))
    moved = replace(there("1.a", "public.y"), transport="polling")
    page.hear(mirror.compare([moved, there("1.c", at=300.0)], WORKERS, (), NOW))
    assert set(page.sockets) == {"1.a", "1.c"}
    assert page.sockets["1.a"]["transport"] == "polling"
    assert page.rooms == {"1.a": ["1.a"], "1.c": ["1.c"], "public.y": ["1.a"]}
    assert page.reasons == [LOST]


def test_the_roster_tells_who_it_is_that_came(mirror, page):
    page.hear(mirror.follow(noted(Kind.CONNECT, "1.a", transport="websocket")))
    assert page.sockets["1.a"]["data"] == {"userId": 2, "name": None, "role": None, "token": None}
    page.hear(mirror.compare([there("1.a")], WORKERS, (), NOW))
    told = page.sockets["1.a"]
    assert told["data"] == {"userId": 2, "name": "Binh", "role": "member", "token": "jwt"}
    assert told["handshake"]["headers"] == {"user-agent": "Firefox"}


def test_a_late_roster_takes_nothing_back(mirror, page):
    page.hear(mirror.compare([there("1.old")], WORKERS, (), NOW))
    page.hear(mirror.follow(noted(Kind.DISCONNECT, "1.old")))
    page.hear(mirror.follow(noted(Kind.CONNECT, "1.new")))
    assert page.hear(mirror.compare([there("1.old")], WORKERS, {"1.old", "1.new"}, NOW)) == 0
    assert set(page.sockets) == {"1.new"}


def test_only_the_newest_are_shown(mirror, page):
    crowd = [there(f"1.{n}", at=100.0 + n) for n in (5, 4, 3)]
    mirror.fill(crowd)
    page.hear(("socket_connected", socket, "") for socket in mirror.sockets())
    page.hear(mirror.follow(noted(Kind.CONNECT, "1.new")))
    page.hear(mirror.trim(NOW))
    assert set(page.sockets) == {"1.5", "1.4", "1.new"}
    assert page.reasons == [CROWDED_OUT]
    # one leaves: who was crowded out long ago does not seem to come now
    page.hear(mirror.follow(noted(Kind.DISCONNECT, "1.new", code="client_disconnect")))
    assert page.hear(mirror.compare(crowd, WORKERS, (), NOW)) == 0
    assert set(page.sockets) == {"1.5", "1.4"}


def test_the_connections_of_a_dead_worker_go_however_many_there_are(mirror, page):
    page.hear(mirror.compare([there("2.a", at=50.0, worker="dead"), there("1.a", at=60.0)], WORKERS, (), NOW))
    crowd = [there(f"1.{n}", at=100.0 + n) for n in (5, 4, 3)]
    page.hear(mirror.compare(crowd, WORKERS, (), NOW))
    # of the living one it cannot be told whether it is there still: the roster gave no more than the newest
    assert set(page.sockets) == {"1.a", "1.3", "1.4", "1.5"}
