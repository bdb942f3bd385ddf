"""The namespace ``/admin`` for the public Socket.IO Admin UI (``ADMIN_UI=on``): who is there, and
what they are told.

Nothing runs while nobody is there. With somebody, the worker that holds the UI's connection asks the others
every two seconds, by the live console's question; nothing is told per event or per recipient.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

import gevent
from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.domain.errors import AuthenticationFailed, RealtimeError, Unavailable
from mechamap.hub.tap import Filter
from mechamap.hub.watching import new_console
from mechamap.services import Services
from mechamap.store.console_sessions import Ended

from .ui_commands import UiCommands
from .ui_entry import Entry, Guest
from .ui_events import NAMESPACE, SHOWN, Traffic, events_of, features, socket_of, stats_of

log = logging.getLogger(__name__)

ROUND = 2.0
"""Seconds between two rounds, as the Node server has it."""
RECHECK = 5
"""Rounds between two looks at whether an operator still is one."""
MOST = 10
"""Of these connections on one worker."""
SOCKETS = 500
"""Told in ``all_sockets``, the newest; more would fill the UI's queue."""
SETTLED = 1.0
"""Seconds: the roster shows what was before within half of one, and then the list is told a second time. What
was neither in it nor noted yet is in one of the two."""
TRAFFIC = "traffic"


class AdminNamespace:
    """One worker's."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._entry = Entry(services)
        self._guests: dict[str, Guest] = {}
        self._commands = UiCommands(services, self._entry, self._guests)
        self._running: gevent.Greenlet | None = None
        self._console = new_console()
        self._cursors: dict[str, int] = {}
        self._traffic: dict[str, Traffic] = {}
        self._rounds = 0
        # by socket id: when it is given the list once more, see SETTLED
        self._again: dict[str, float] = {}

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
        self._tell(sid, "all_sockets", self._sockets())
        self._again[sid] = time.monotonic() + SETTLED
        if self._running is None:
            self._running = gevent.spawn(self._run)

    def on_disconnect(self, sid: str, reason: str) -> None:
        self._guests.pop(sid, None)
        self._again.pop(sid, None)

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
            self._cursors, self._traffic = {}, {}

    def _round(self) -> None:
        self._rounds += 1
        if self._rounds % RECHECK == 0:
            self._recheck()
        services, now = self._services, time.time()
        answered = services.inquiries.ask(TRAFFIC, {}, Traffic)
        for worker in services.operations.workers():
            traffic = answered.answers.get(worker.id)
            self._tell_all("server_stats", stats_of(worker, traffic, self._traffic.get(worker.id), now))
        self._traffic.update(answered.answers)
        wanted = Filter(tuple(kind.value for kind in SHOWN))
        seen = services.watching.see(self._console, wanted, self._cursors)
        self._cursors = seen.cursors
        for record in seen.records:
            for event in events_of(record):
                self._tell_all(*event)
        settled = [sid for sid, at in self._again.items() if at <= time.monotonic()]
        # who may have missed something gets the whole again
        again = list(self._guests) if seen.skipped else settled
        if again:
            sockets = self._sockets()
            for sid in again:
                self._again.pop(sid, None)
                self._tell(sid, "all_sockets", sockets)

    def _recheck(self) -> None:
        """Send away whose session or role has ended."""
        for sid, guest in list(self._guests.items()):
            if isinstance(self._entry.still(guest.secret, guest.address, polling=True), Ended):
                self._services.socketio.server.disconnect(sid, namespace=NAMESPACE)

    def _own_traffic(self) -> Traffic:
        metrics, connections = self._services.metrics, self._services.runtime.hub.connections
        polling = sum(connection.transport != "websocket" for connection in connections)
        return Traffic(polling, metrics.received_total, metrics.delivered_total)

    def _sockets(self) -> list[dict[str, Any]]:
        return [socket_of(record) for record in self._services.operations.clients(limit=SOCKETS)]

    def _tell(self, sid: str, event: str, *args: object) -> None:
        self._services.socketio.send_to(sid, event, *args, namespace=NAMESPACE)

    def _tell_all(self, event: str, *args: object) -> None:
        for sid in list(self._guests):
            self._tell(sid, event, *args)
