"""A run of devices: several of each of a few users mark notifications and write down what they see."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress

import gevent
import gevent.event

from mechamap.domain.recovery import parse_offset
from tests.engine.wire import Client
from tests.services.browser_client import BrowserClient
from tests.services.processes import wait_until

from .clients import PATIENCE, StockClient, Wanderer
from .device_checker import COUNT, RECEIPTS, Counted, DeviceHistory, Marked, Receipt
from .trial import PEOPLE, SETTLE, TRANSPORTS, Cluster, Scale, Trial

EACH = 600
"""Notifications of a user: more than are marked in a run."""
PAUSE = (0.05, 0.2)
"""Seconds between two markings of a device."""


class Device(Wanderer):
    """A cheap client that marks one notification after the other, each until it is told that it is synced."""

    def __init__(self, port: int, user_id: int, name: str, seed: str, ids: list[int]) -> None:
        self._choice = random.Random(f"{seed} ids")
        self._ids = ids
        self._number = 0
        self._answer: gevent.event.AsyncResult[dict] = gevent.event.AsyncResult()
        self._enough = False
        self._marking: gevent.Greenlet | None = None
        super().__init__(port, user_id, (), name, seed)

    def begin(self) -> None:
        self._marking = gevent.spawn(self._mark)

    def count(self) -> int | None:
        """The last it was sent."""
        counts = [entry.count for entry in self.log.entries[-20:] if isinstance(entry, Counted)]
        return counts[-1] if counts else None

    def finish(self, timeout: float) -> None:
        """Mark no more behind the one under way."""
        self._enough = True
        if self._marking is not None:
            self._marking.join(timeout)

    def stop(self) -> None:
        if self._marking is not None:
            self._marking.kill()
        super().stop()

    def _mark(self) -> None:
        while not self._enough:
            gevent.sleep(self._choice.uniform(*PAUSE))
            # some of them are marked by two devices
            wanted, began = self._choice.choice(self._ids), time.monotonic()
            while not self._synced(wanted):
                gevent.sleep(0.1)
            self.log.entries.append(Marked(began, time.monotonic(), wanted))

    def _synced(self, wanted: int) -> bool:
        client = self._client
        if client is None or not self.ready:
            return False
        self._asks += 1
        self._number, self._answer = self._asks, gevent.event.AsyncResult()
        with suppress(OSError):
            client.send(f'42{self._asks}["notification_read",{{"notificationId":{wanted}}}]')
        with suppress(gevent.Timeout):
            return self._answer.get(timeout=PATIENCE).get("synced", False)
        return False

    def _answered(self, number: int, answer: dict) -> None:
        if number != self._number:
            super()._answered(number, answer)
            return
        if answer.get("synced"):
            self.log.entries.append(Counted(time.monotonic(), answer["unread_count"]))
        self._answer.set(answer)

    def _heard(self, client: Client, event: str, *args: object) -> None:
        super()._heard(client, event, *args)
        self.log.entries.extend(_entry(time.monotonic(), event, args))


class StockDevice(StockClient):
    """The unmodified socket.io-client as a device that only listens."""

    def count(self) -> int | None:
        """The last it was sent."""
        counts = self._browser.events(COUNT)
        return counts[-1][0]["unread_count"] if counts else None

    def _entries(self) -> list:
        seen = super()._entries()
        for at, event, args in self._browser.timed_history():
            seen.extend(_entry(at, event, args))
        return sorted(seen, key=lambda entry: entry.at)


def _entry(at: float, event: str, args: tuple | list) -> list:
    if event != COUNT and event not in RECEIPTS:
        return []
    data, position = args[0], parse_offset(args[-1]) if len(args) > 1 else None
    if event == COUNT:
        return [Counted(at, data["unread_count"], position)]
    return [Receipt(at, event, data["notification_id"], data["unread_count"], position)]


class DeviceTrial(Trial):
    """Devices at work, from the beginning of the ``with`` to its end; ``devices`` is complete behind it."""

    def __init__(
        self, cluster: Cluster, browser: Callable[[], BrowserClient], seed: str, scale: Scale | None = None
    ) -> None:
        super().__init__(cluster, browser, seed, scale or Scale())
        self.devices = DeviceHistory()
        self._path = cluster.server.settings["LARAVEL_DATABASE_URL"].removeprefix("sqlite:///")

    def _begin(self) -> None:
        own = self._fill()
        server = self.cluster.server
        for number in range(self.scale.cheap):
            user, name = PEOPLE[number % len(PEOPLE)], f"device-{number}"
            self.cheap.append(Device(server.port, user, name, f"{self._seed} {number}", own[user]))
        for number in range(self.scale.stock):
            user, transports = PEOPLE[number % len(PEOPLE)], TRANSPORTS[number % len(TRANSPORTS)]
            name = f"stock-{number} ({'+'.join(transports)})"
            self.stock.append(StockDevice(self._browser, server.url, user, (), name, transports))
        wait_until(self._ready, "all devices to be signed in", 30)
        for device in self.cheap:
            device.begin()

    def _fill(self) -> dict[int, list[int]]:
        """Every user's notifications, all new and unread."""
        own = {user: list(range(user * EACH, (user + 1) * EACH)) for user in PEOPLE}
        rows = [(number, user) for user, numbers in own.items() for number in numbers]
        with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            database.execute("DELETE FROM notifications")
            database.executemany("INSERT INTO notifications VALUES (?, ?, 0, NULL)", rows)
        return own

    def _unread(self) -> dict[int, int]:
        with closing(sqlite3.connect(self._path, timeout=10)) as database:
            rows = database.execute("SELECT user_id, sum(is_read = 0) FROM notifications GROUP BY user_id")
            return dict(rows.fetchall())

    def _settle(self) -> None:
        """Stop marking and wait until everybody is back and has the last count."""
        end = time.monotonic() + SETTLE
        for device in self.cheap:
            device.finish(max(0.0, end - time.monotonic()))
        unread = self._unread()
        while time.monotonic() < end and not (self._ready() and self._have(unread)):
            gevent.sleep(0.05)
        gevent.sleep(0.2)  # whatever comes twice has come by then

    def _have(self, last: dict[int, int]) -> bool:
        return all(client.count() == last[client.user_id] for client in (*self.cheap, *self.stock))

    def _end(self) -> None:
        super()._end()
        self.devices.unread = self._unread()
        self.devices.logs = [(client.user_id, client.log) for client in (*self.cheap, *self.stock)]
