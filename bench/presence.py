"""What members of one presence channel cost: everybody is told of everybody, up to N² deliveries."""

import json
import os
import re
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from processes import cpu
from servers import CLIENT_CORE, tokens
from works import Run

MEMBERS = (100, 500, 1_000)
CHANNEL = "presence-thread.1"
LATECOMERS = 20
PATIENCE = 60.0
"""Seconds in which everybody must have been told of everybody."""
REQUEST = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
JOINING = b'42["presence:joining"'
PING = b"\x81\x012"
TOTAL = re.compile(rb'"total":(\d+)')


@dataclass(eq=False)
class _Member:
    """One raw client that counts what it is told without reading it as JSON.

    Attributes:
        listed: how many the list had that it was given; None before it joined.
        told: joinings since then.
        rest: the end of what came, which may be the beginning of a name.
    """

    socket: socket.socket
    listed: int | None = None
    told: int = 0
    rest: bytes = b""
    seen: bytearray = field(default_factory=bytearray)

    def send(self, text: str) -> None:
        """One text frame. A mask of zeros leaves it as it is."""
        payload = text.encode()
        size = len(payload)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self.socket.sendall(head + bytes(4) + payload)

    def await_text(self, text: bytes) -> None:
        while text not in self.seen:
            if not (data := self.socket.recv(65_536)):
                raise SystemExit(f"the server closed a connection: {bytes(self.seen[-200:])!r}")
            self.seen += data
        self.seen.clear()

    def read(self) -> int:
        """Take what is there and count; how many bytes."""
        data = self.socket.recv(262_144)
        if not data:
            raise SystemExit(f"the server closed a member's connection: {self.rest + self.seen[-200:]!r}")
        if PING in data:
            self.send("3")
        text = self.rest + data
        if self.listed is None:
            self.seen += data
            if b"presence:subscribed" not in self.seen or not (total := TOTAL.search(self.seen)):
                return len(data)
            self.listed = int(total[1])
            text = bytes(self.seen[total.end() :])
        self.told += text.count(JOINING)
        self.rest = text[-len(JOINING) + 1 :]
        return len(data)


def presence(run: Run, number: int) -> dict:
    """{number} browsers join one presence channel in one moment; then twenty more, one after the other"""
    number = run.count(number)
    pids = run.server.workers()
    with _on_the_clients_core():
        everybody = [_connected(run.server.port, line) for line in _tokens(number + LATECOMERS)]
        try:
            crowd, late = everybody[:number], everybody[number:]
            spent, began = cpu(pids), time.monotonic()
            for member in crowd:
                _join(member)
            size = _until_told(crowd, late)
            seconds, spent = time.monotonic() - began, cpu(pids) - spent
            deliveries = sum(member.told for member in crowd)
            one_by_one = _latecomers(pids, crowd, late)
        finally:
            for member in everybody:
                member.socket.close()
    return {
        "members": number,
        "announcements": deliveries,
        "cpu_ms_per_joining": spent * 1e3 / number,
        "cpu_us_per_deliv": _per_delivery(spent, deliveries),
        "bytes_per_member": size / number,
        "last_told_ms": seconds * 1e3,
        **one_by_one,
    }


def _latecomers(pids: list[int], crowd: list[_Member], late: list[_Member]) -> dict:
    """The same where each joining is told before the next one begins: nothing can share a write."""
    before = sum(member.told for member in crowd)
    spent, waited, inside = cpu(pids), [], [*crowd]
    for member in late:
        began = time.monotonic()
        _join(member)
        inside.append(member)
        _until_told(inside, late[len(inside) - len(crowd) :])
        waited.append(time.monotonic() - began)
    spent = cpu(pids) - spent
    deliveries = sum(member.told for member in crowd) - before
    return {
        "late_cpu_ms_per_joining": spent * 1e3 / len(late),
        "late_cpu_us_per_deliv": _per_delivery(spent, deliveries),
        "late_last_told_ms": sorted(waited)[len(waited) // 2] * 1e3,
    }


def _per_delivery(spent: float, deliveries: int) -> float:
    """Microseconds; 0 if the lists had everybody already."""
    return spent * 1e6 / deliveries if deliveries else 0.0


def _connected(port: int, token: str) -> _Member:
    member = _Member(socket.create_connection(("127.0.0.1", port), timeout=10))
    member.socket.sendall(REQUEST.encode())
    member.await_text(b'"sid"')
    member.send("40" + json.dumps({"token": token}))
    member.await_text(b'"connected"')
    return member


def _join(member: _Member) -> None:
    member.send(f'42["subscribe",{{"channel":"{CHANNEL}"}}]')


def _until_told(members: list[_Member], others: list[_Member]) -> int:
    """Read until everybody knows everybody; how many bytes that were. ``others`` only answer pings."""
    size, deadline = 0, time.monotonic() + PATIENCE
    with selectors.EpollSelector() as selector:
        for member in (*members, *others):
            selector.register(member.socket, selectors.EVENT_READ, member)
        while not all(m.listed is not None and m.listed + m.told >= len(members) for m in members):
            if time.monotonic() > deadline:
                raise SystemExit(_complaint(members))
            for key, _ in selector.select(0.5):
                size += key.data.read()
    return size


def _complaint(members: list[_Member]) -> str:
    """Who was refused, and who was not told of everybody."""
    refused = [member for member in members if member.listed is None]
    short = sum(m.listed is not None and m.listed + m.told < len(members) for m in members)
    said = bytes(refused[0].seen[-300:]) if refused else b""
    return (
        f"of {len(members)} members {len(refused)} did not get in and {short} were not told of all: {said!r}"
    )


def _tokens(number: int) -> Iterator[str]:
    with tokens().open() as file:
        for _, line in zip(range(number), file, strict=False):
            yield line.strip()


@contextmanager
def _on_the_clients_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(CLIENT_CORE)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def series() -> dict:
    """The work for each number of members, by its name."""
    found = {}
    for number in MEMBERS:
        work = partial(presence, number=number)
        work.__doc__ = presence.__doc__.format(number=f"{number:,}")
        found[f"presence-{number}"] = work
    return found
