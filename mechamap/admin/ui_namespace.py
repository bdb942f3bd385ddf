"""The namespace ``/admin`` for the public Socket.IO Admin UI (``ADMIN_UI=on``): who is there, and
what they are told.

Nothing runs while nobody is there. With somebody, the worker that holds the UI's connection asks the others
every two seconds, by the live console's question, and now and then the roster; nothing is told per event or
per recipient.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gevent
from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.domain.channels import spell
from mechamap.domain.errors import AuthenticationFailed, InvalidChannel, RealtimeError, Unavailable
from mechamap.hub.tap import Filter
from mechamap.hub.watching import new_console
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord
from mechamap.services import Services
from mechamap.store.console_sessions import Ended

from .ui_commands import UiCommands
from .ui_entry import Entry, Guest
from .ui_events import NAMESPACE, SHOWN, Traffic, features, stats_of
from .ui_mirror import SOCKETS, Event, Mirror

log = logging.getLogger(__name__)

ROUND = 2.0
"""Seconds between two rounds, as the Node server has it."""
RECHECK = 5
"""Rounds between two looks at whether an operator still is one, and at the whole roster."""
MOST = 10
"""Of these connections on one worker."""
TRAFFIC = "traffic"


class AdminNamespace:
    """One worker's."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._entry = Entry(services)
        self._guests: dict[str, Guest] = {}
        self._commands = UiCommands(services, self._entry, self._guests, self._tell)
        self._running: gevent.Greenlet | None = None
        self._console = new_console()
        self._cursors: dict[str, int] = {}
        self._traffic: dict[str, Traffic] = {}
        self._rounds = 0
        self._mirror = Mirror(self._spelled)
        self._filled = False
        # the roster was late when it was read for the first time, see Mirror
        self._late = False
        self._workers: set[str] = set()
        # who was told that nobody is there
        self._blank: set[str] = set()

    def register(self) -> None:
        """Serve the namespace."""
        on = self._services.socketio.server.on
        on("connect", self.on_connect, namespace=NAMESPACE)
        on("disconnect", self.on_disconnect, namespace=NAMESPACE)
        for name, handler in self._commands.handlers():
            on(name, handler, namespace=NAMESPACE)
        self._services.inquiries.answers(TRAFFIC, dict, lambda asked: self._own_traffic())

    # --- who is there ---

    def on_connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        """Let an operator in, by name and password or by the session that those began."""
        address = environ.get("REMOTE_ADDR")
        fields = auth if isinstance(auth, Mapping) else {}
        try:
            if len(self._guests) >= MOST:
                raise Unavailable(f"{MOST} admin UIs are connected here already.", code="server_full")
            guest, fresh = self._entry.enter(fields, address, environ.get("HTTP_USER_AGENT"))
        except RealtimeError as err:
            log.info("admin_ui_refused", extra={"code": err.code, "address": address})
            # the UI asks for name and password after this sentence
            message = "invalid credentials" if isinstance(err, AuthenticationFailed) else err.message
            raise Refusal(message, {"code": err.code, **err.details()}) from err
        self._guests[sid] = guest
        if fresh:
            self._tell(sid, "session", guest.secret)
        self._tell(sid, "config", {"supportedFeatures": features(guest.operator.console_role)})
        if self._filled:
            self._list(sid)
        if self._running is None:
            self._running = gevent.spawn(self._run)

    def on_disconnect(self, sid: str, reason: str) -> None:
        self._guests.pop(sid, None)
        self._blank.discard(sid)

    # --- what is told ---

    def _run(self) -> None:
        try:
            while self._guests:
                try:
                    self._round()
                except Unavailable as err:
                    log.info("admin_ui_round_failed", extra={"code": err.code})
                except Exception:
                    log.exception("admin_ui_round_failed")
                gevent.sleep(ROUND)
        finally:
            self._running = None
            self._cursors, self._traffic, self._rounds = {}, {}, 0
            self._mirror, self._filled = Mirror(self._spelled), False

    def _round(self) -> None:
        self._rounds += 1
        if self._rounds % RECHECK == 0:
            self._recheck()
        services, now = self._services, time.time()
        workers = services.operations.workers()
        self._count(workers, now)
        # before the roster is read: what happens meanwhile is in one of the two
        wanted = Filter(tuple(kind.value for kind in SHOWN))
        seen = services.watching.see(self._console, wanted, self._cursors)
        self._cursors = seen.cursors
        live, before = {worker.id for worker in workers}, self._workers
        self._workers = live
        if not self._filled:
            self._mirror.fill(self._connections())
            self._filled = self._late = True
            for sid in list(self._guests):
                self._list(sid)
            return
        for record in seen.records:
            self._tell_changes(self._mirror.follow(record))
        if self._late or seen.skipped or seen.silent or live != before or self._rounds % RECHECK == 0:
            fresh = {record.get("sid", "") for record in seen.records}
            self._tell_changes(self._mirror.compare(self._connections(), live, fresh, now))
            self._late = False
        self._tell_changes(self._mirror.trim(now))
        if self._blank and self._mirror.sockets():
            for sid in list(self._blank):
                self._list(sid)

    def _count(self, workers: Sequence[WorkerRecord], now: float) -> None:
        answered = self._services.inquiries.ask(TRAFFIC, {}, Traffic)
        for worker in workers:
            traffic = answered.answers.get(worker.id)
            self._tell_all("server_stats", stats_of(worker, traffic, self._traffic.get(worker.id), now))
        self._traffic.update(answered.answers)

    def _recheck(self) -> None:
        """Send away whose session or role has ended."""
        for sid, guest in list(self._guests.items()):
            if isinstance(self._entry.still(guest.secret, guest.address, polling=True), Ended):
                self._services.socketio.server.disconnect(sid, namespace=NAMESPACE)

    def _own_traffic(self) -> Traffic:
        metrics, connections = self._services.metrics, self._services.runtime.hub.connections
        polling = sum(connection.transport != "websocket" for connection in connections)
        return Traffic(polling, metrics.came_total, metrics.went_total)

    def _connections(self) -> list[ConnectionRecord]:
        return self._services.operations.clients(limit=SOCKETS)

    def _spelled(self, name: str) -> str:
        try:
            return spell(self._services.parse_channel(name).canonical)
        except InvalidChannel:  # of a worker with other settings, while they are changed
            return name

    def _list(self, sid: str) -> None:
        """Tell who is there. A page that was told of nobody shows none of those who come until it is given a
        list again: it has no namespace selected."""
        sockets = self._mirror.sockets()
        self._tell(sid, "all_sockets", sockets)
        (self._blank.discard if sockets else self._blank.add)(sid)

    def _tell_changes(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell_all(*event)

    def _tell(self, sid: str, event: str, *args: object) -> None:
        self._services.socketio.send_to(sid, event, *args, namespace=NAMESPACE)

    def _tell_all(self, event: str, *args: object) -> None:
        for sid in list(self._guests):
            self._tell(sid, event, *args)
