"""Clients that come back by themselves and write down what they see: a cheap one, and the stock one.

The cheap one does what socket.io-client 4.8 does on a WebSocket: it keeps the ``pid`` of the CONNECT answer
and the last text behind an event, sends both when it returns, gives a silent connection up after ping
interval and timeout, and stays away after a refusal or a DISCONNECT. It costs a greenlet, so that a thousand
fit into a test.
"""

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import gevent
import gevent.event

from mechamap.domain.recovery import parse_offset
from tests.engine.wire import Client, Refused
from tests.integration.conftest import token
from tests.services.browser_client import BrowserClient
from tests.services.node import NodeError

from .histories import Asked, Dismissed, Joined, Leaving, Left, Log, Received, Returned, Told

EVENT = "n"
PATIENCE = 3.0
"""Seconds for an acknowledgement, after which the client asks again."""


class Wanderer:
    """One cheap client, running from the start until ``stop``."""

    def __init__(self, port: int, user_id: int, channels: tuple[str, ...], name: str, seed: str) -> None:
        own = f"private-user.{user_id}"
        self.user_id = user_id
        self.log = Log(name, frozenset((*channels, own)), own)
        self._port = port
        self._wanted = channels
        self._auth: dict[str, object] = {"token": token(user_id)}
        self._dice = random.Random(seed)
        self._client: Client | None = None
        self._asked: dict[int, tuple[str, str]] = {}
        self._away: set[str] = set()
        self._left: dict[str, int] = {}  # by channel, the number of the last word that it be left
        self._asks = 0
        self._resume = gevent.event.Event()
        self._resume.set()
        self._stopping = False
        self._greenlet = gevent.spawn(self._run)

    @property
    def ready(self) -> bool:
        """In all its channels."""
        return self._client is not None and self.joined == self.log.channels

    @property
    def joined(self) -> frozenset[str]:
        joined: set[str] = set()
        for entry in self.log.entries:
            if isinstance(entry, Joined):
                joined.add(entry.channel)
            elif isinstance(entry, Leaving):
                joined.discard(entry.channel)
            elif isinstance(entry, Returned) and not entry.recovered:
                joined.clear()
        return frozenset(joined)

    def drop(self) -> None:
        """The network goes without a goodbye."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)

    def leave(self, channel: str, seconds: float) -> None:
        """Leave a channel and come back to it after a while."""
        client = self._client
        if client is None or channel not in self.joined:
            return
        self._away.add(channel)
        self.log.entries.append(Leaving(time.monotonic(), channel))
        with suppress(OSError):
            self._ask(client, "unsubscribe", channel)
        gevent.spawn_later(seconds, self._come_back, channel)

    def pause(self, seconds: float) -> None:
        """Read nothing for a while, as a stopped browser."""
        self._resume.clear()
        gevent.spawn_later(seconds, self._resume.set)

    def stop(self) -> None:
        self._stopping = True
        self._resume.set()
        self._greenlet.kill()

    def _run(self) -> None:
        delay = 0.05
        while not self._stopping:
            before = len(self.log.entries)
            try:
                # a small buffer, so that a client that does not read is noticed after a few hundred events
                with Client(self._port, timeout=20, receive_buffer=4_096) as client:
                    client.sock.settimeout(
                        (client.opening["pingInterval"] + client.opening["pingTimeout"]) / 1000
                    )
                    self._client = client
                    self._live(client)
            except (OSError, EOFError, Refused, IndexError, ValueError):
                pass  # IndexError: an answer without a status line, from a worker that was killed
            finally:
                self._client = None
                self._asked.clear()
            delay = 0.05 if len(self.log.entries) > before else min(1.0, delay * 2)
            gevent.sleep(delay * self._dice.uniform(0.5, 1.5))

    def _live(self, client: Client) -> None:
        client.send("40" + json.dumps(self._auth))
        while True:
            self._resume.wait()
            packet = client.packet()
            kind = packet[:2]
            if kind == "40":
                self._let_in(client, json.loads(packet[2:]))
            elif kind == "42":
                self._heard(client, *json.loads(packet[2:]))
            elif kind == "43":
                number, _, rest = packet[2:].partition("[")
                self._answered(int(number), json.loads("[" + rest)[0])
            elif kind in ("44", "41"):
                if "pid" in self._auth:
                    self.log.entries.append(Dismissed(time.monotonic(), packet[:200]))
                return

    def _let_in(self, client: Client, answer: dict) -> None:
        pid = answer.get("pid")
        if "pid" in self._auth:
            recovered = pid is not None and pid == self._auth["pid"]
            self.log.entries.append(Returned(time.monotonic(), recovered))
        self._auth["pid"] = pid

    def _heard(self, client: Client, event: str, *args: object) -> None:
        now = time.monotonic()
        if args and isinstance(args[-1], str):
            self._auth["offset"] = args[-1]
        if event == EVENT:
            self.log.entries.append(_received(now, args))
        elif event == "recovery":
            self.log.entries.append(_told(now, args[0]))
        elif event == "connected":
            if not args[0].get("recovered"):
                self.log.entries.append(Joined(now, self.log.own))
            for channel in self._wanted:
                if channel not in self.joined and channel not in self._away:
                    self._ask(client, "subscribe", channel)

    def _come_back(self, channel: str) -> None:
        self._away.discard(channel)
        if self._client is not None and channel not in self.joined:
            with suppress(OSError):
                self._ask(self._client, "subscribe", channel)

    def _ask(self, client: Client, what: str, channel: str) -> None:
        if what == "subscribe":
            self.log.entries.append(Asked(time.monotonic(), channel))
        self._asks += 1
        if what == "unsubscribe":
            self._left[channel] = self._asks
        self._asked[self._asks] = (what, channel)
        client.send(f'42{self._asks}["{what}",{{"channel":"{channel}"}}]')
        gevent.spawn_later(PATIENCE, self._ask_again, client, self._asks)

    def _ask_again(self, client: Client, number: int) -> None:
        what, channel = self._asked.pop(number, ("", ""))
        if client is self._client and what == "subscribe" and channel not in self.joined:
            with suppress(OSError):
                self._ask(client, what, channel)

    def _answered(self, number: int, answer: dict) -> None:
        if number not in self._asked or "error" in answer:
            return  # asked again when patience ends
        what, channel = self._asked.pop(number)
        if what == "subscribe" and number < self._left.get(channel, 0):
            return  # it was left since; the answer to that follows
        kind = Joined if what == "subscribe" else Left
        self.log.entries.append(kind(time.monotonic(), channel))


class StockClient:
    """The unmodified socket.io-client; what it saw is read at the end. A greenlet subscribes where it came
    back without its channels."""

    def __init__(
        self, make: Callable[[], BrowserClient], url: str, user_id: int, channels: tuple[str, ...], name: str,
        transports: list[str],
    ) -> None:  # fmt: skip
        own = f"private-user.{user_id}"
        self.user_id = user_id
        self.log = Log(name, frozenset((*channels, own)), own)
        self._wanted = channels
        self._stopping = False
        self._browser = make()
        self._browser.open(
            url, auth={"token": token(user_id)}, transports=transports,
            reconnection=True, reconnectionDelay=50, reconnectionDelayMax=500, timeout=5_000,
        )  # fmt: skip
        self.ready = False
        self._thread = threading.Thread(target=self._subscribe, daemon=True)
        self._thread.start()

    def drop(self) -> None:
        with suppress(NodeError):  # it has no connection just now
            self._browser.drop()

    def stop(self) -> None:
        """The log is complete after it."""
        self._stopping = True
        self._thread.join(10)
        self.log.entries = self._entries()

    def received(self) -> set[tuple]:
        """The keys of what came so far."""
        return {tuple(args[0]["key"]) for args in self._browser.events(EVENT)}

    def _subscribe(self) -> None:
        while not self._stopping:
            try:
                greeting = self._browser.wait_for("connected", timeout=0.5)[0]
            except NodeError:
                continue
            missing = [channel for channel in self._wanted if channel not in greeting["channels"]]
            self.ready = False
            while missing and not self._stopping:
                try:
                    answer = self._browser.emit_ack("subscribe", {"channel": missing[0]}, timeout=PATIENCE)
                except NodeError:
                    break
                if answer.get("status") == "success":
                    missing.pop(0)
            self.ready = not missing

    def _entries(self) -> list:
        entries, connects = [], 0
        for at, event, args in self._browser.timed_history():
            if event == "connected":
                connects += 1
                if connects > 1:
                    entries.append(Returned(at, bool(args[0].get("recovered"))))
            elif event == EVENT:
                entries.append(_received(at, args))
            elif event == "recovery":
                entries.append(_told(at, args[0]))
            elif event == "subscribed":
                entries.append(Joined(at, args[0]["channel"]))
            elif event == "connect_error" and args[0]["data"] is not None and connects:
                entries.append(Dismissed(at, args[0]["message"]))
            elif event == "disconnect" and args[0] == "io server disconnect":
                entries.append(Dismissed(at, args[0]))
        return _greeted_in_order(entries)


def _greeted_in_order(entries: list) -> list:
    """The automatic subscription is told before the greeting that says what kind of a return it was."""
    for index in range(len(entries) - 1, 0, -1):
        if isinstance(entries[index], Returned) and isinstance(entries[index - 1], Joined):
            entries[index - 1], entries[index] = entries[index], entries[index - 1]
    return entries


def _received(at: float, args: tuple | list) -> Received:
    data = args[0]
    return Received(
        at, data["channel"], tuple(data["key"]), parse_offset(args[-1]) if len(args) > 1 else None
    )


def _told(at: float, told: dict) -> Told:
    channels = told.get("channels")
    return Told(at, told["reason"], frozenset(channels) if channels is not None else None)
