"""The namespace ``/admin`` for the public Socket.IO Admin UI (``ADMIN_UI=on``): who may enter, what is told
there, and the UI's commands, with the permissions and the trail of the console.

Nothing runs while nobody is there. With somebody, the worker that holds the UI's connection asks the others
every two seconds, by the live console's question; nothing is told per event or per recipient.
"""

import inspect
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gevent
from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.auth.signin import Operator
from mechamap.domain.commands import Action, Command
from mechamap.domain.console import ConsoleRole
from mechamap.domain.errors import (
    AuthenticationFailed,
    Forbidden,
    InvalidField,
    NotFound,
    RealtimeError,
    Unavailable,
)
from mechamap.hub.tap import Filter
from mechamap.hub.watching import new_console
from mechamap.services import Services
from mechamap.sockets.answers import internal_error
from mechamap.store.console_sessions import SessionRecord

from .reasons import DEFAULT_REASON
from .ui_events import NAMESPACE, SHOWN, SITE, Traffic, events_of, features, socket_of, stats_of

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
MAX_NAME, MAX_PASSWORD = 191, 1000
TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class _Guest:
    """One connected UI. ``secret`` names its session, ``address`` is for the trail."""

    operator: Operator
    secret: str
    address: str | None


class AdminNamespace:
    """One worker's."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guests: dict[str, _Guest] = {}
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
        acts = {"emit": self._emit, "join": self._join, "leave": self._leave, "_disconnect": self._disconnect}
        for name, act in acts.items():
            on(name, self._guarded(name.lstrip("_"), act), namespace=NAMESPACE)
        self._services.inquiries.answers(TRAFFIC, dict, lambda asked: self._own_traffic())

    # --- who may enter ---

    def on_connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        """Let an operator in, by name and password or by the session that those began."""
        address = environ.get("REMOTE_ADDR")
        fields = auth if isinstance(auth, Mapping) else {}
        try:
            if len(self._guests) >= MOST:
                raise Unavailable(f"{MOST} admin UIs are connected here already.", code="server_full")
            guest, fresh = self._enter(fields, address, environ.get("HTTP_USER_AGENT"))
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

    def _enter(
        self, fields: Mapping[str, Any], address: str | None, agent: str | None
    ) -> tuple[_Guest, bool]:
        """Whether the session is new is the second.

        Raises:
            AuthenticationFailed, Forbidden, RateLimited, Unavailable
        """
        services, secret = self._services, fields.get("sessionId")
        if isinstance(secret, str) and 0 < len(secret) <= 100:
            operator = self._still(secret, polling=False)
            if operator is not None:
                return _Guest(operator, secret, address), False
        login, password = fields.get("username"), fields.get("password")
        if not isinstance(login, str) or not isinstance(password, str):
            raise AuthenticationFailed("a name and a password are required.", code="credentials_required")
        services.limits.check_admin_signin(address, login)
        try:
            operator = services.sign_in.check(login[:MAX_NAME], password[:MAX_PASSWORD])
        except (AuthenticationFailed, Forbidden) as err:
            self._record("stranger", "adminui.signin", "console", address, outcome=err.code)
            raise
        _, secret = services.console_sessions.begin(operator.user_id, operator.name, address, agent)
        self._record(f"admin:{operator.user_id}", "adminui.signin", f"user:{operator.user_id}", address)
        return _Guest(operator, secret, address), True

    def _still(self, secret: str, *, polling: bool) -> Operator | None:
        """The operator of a session, if it is one and they are.

        Raises:
            Unavailable: it cannot be told.
        """
        found = self._services.console_sessions.resume(secret, polling=polling)
        return self._services.sign_in.still(found.user_id) if isinstance(found, SessionRecord) else None

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
            if self._still(guest.secret, polling=True) is None:
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

    # --- what is done ---

    def _guarded(self, name: str, act: Callable[..., tuple[str, Callable[[], object]]]) -> Callable[..., Any]:
        """A command of the UI: judged, carried out, recorded; answered where the client asked for it. ``act``
        reads its arguments and says what it is about and what is to be done."""

        def run(sid: str, *args: object) -> dict[str, object]:
            guest, target = self._guests.get(sid), "console"
            try:
                if guest is None:
                    raise Forbidden("The connection is not signed in.", code="not_connected")
                self._services.limits.check_connection(sid)
                self._check(guest)
                target, work = _prepared(act, guest, args)
                done = work()
            except RealtimeError as err:
                return self._refused(guest, name, target, err)
            except Exception:
                return internal_error(f"admin_ui_{name}")
            actor = f"admin:{guest.operator.user_id}"
            self._record(actor, f"adminui.{name}", target, guest.address, detail=str(done))
            return {"success": True}

        return run

    def _check(self, guest: _Guest) -> None:
        """Whether the operator may act now.

        Raises:
            Forbidden
            Unavailable
        """
        operator = self._still(guest.secret, polling=False)
        if operator is None or operator.console_role < ConsoleRole.OPERATOR:
            raise Forbidden("This needs the permission «operate».", code="permission_missing")

    def _refused(
        self, guest: _Guest | None, name: str, target: str, error: RealtimeError
    ) -> dict[str, object]:
        if guest is not None:
            actor = f"admin:{guest.operator.user_id}"
            self._record(actor, f"adminui.{name}", target, guest.address, outcome=error.code)
        return {"success": False, "code": error.code, "message": error.message}

    def _emit(
        self, guest: _Guest, nsp: str, room: str, event: str, data: object = None, *more: object
    ) -> Any:
        channel = self._channel(nsp, room)
        if more:
            raise InvalidField("data", "Events here have one argument.", code="arguments_invalid")
        body = {"channel": channel, "event": event, "data": data}
        actor = f"admin:{guest.operator.user_id}"
        return f"channel:{channel}", lambda: self._services.operations.publish(body, actor).id

    def _join(self, guest: _Guest, nsp: str, room: str, sid: str = "") -> Any:
        return self._order(Action.JOIN, nsp, room, sid)

    def _leave(self, guest: _Guest, nsp: str, room: str, sid: str = "") -> Any:
        return self._order(Action.LEAVE, nsp, room, sid)

    def _order(self, action: Action, nsp: str, room: str, sid: str) -> Any:
        """Of the user whose connection it is, who joins only what the rules allow."""
        channel, record = self._channel(nsp, room), self._connection(sid)
        command = Command(action, user_id=record.user_id, subject=channel)
        return f"user:{record.user_id}", lambda: f"{self._services.operations.order(command)} in {channel}"

    def _disconnect(self, guest: _Guest, nsp: str, close: object = False, target: str = "") -> Any:
        """One connection, or all of a channel. The UI does not ask before it closes everything, so that is
        for the command line."""
        _site(nsp)
        if not isinstance(target, str) or not target:
            raise InvalidField(
                "filter",
                "Name a socket or a room; all at once are for flask clients kick.",
                code="filter_required",
            )
        try:
            record = self._connection(target)
            about, command = (
                f"connection:{record.sid}",
                Command(Action.KICK, sid=record.sid, reason=DEFAULT_REASON),
            )
        except NotFound:
            channel = self._services.parse_channel(target)
            about = f"channel:{channel.name}"
            command = Command(Action.KICK, channel=channel.canonical, reason=DEFAULT_REASON)
        return about, lambda: self._services.operations.kick(command)

    def _channel(self, nsp: object, room: object) -> str:
        _site(nsp)
        return self._services.parse_channel(room).name

    def _connection(self, sid: object) -> Any:
        found = self._services.operations.clients(sid=sid, limit=1) if isinstance(sid, str) and sid else []
        if not found:
            raise NotFound("There is no such socket.", code="not_connected")
        return found[0]

    def _record(
        self, actor: str, action: str, target: str, address: str | None, outcome: str = "ok", detail: str = ""
    ) -> None:
        self._services.audit.record(
            actor, action, target[:191], outcome=outcome, detail=detail[:1000], address=address
        )


def _prepared(act: Callable[..., Any], guest: _Guest, args: tuple[object, ...]) -> Any:
    try:
        inspect.signature(act).bind(guest, *args)
    except TypeError as err:
        raise InvalidField("arguments", "The command has other arguments.", code="arguments_invalid") from err
    return act(guest, *args)


def _site(nsp: object) -> None:
    if nsp != SITE:
        raise InvalidField("nsp", "Only the namespace / is served.", code="namespace_unknown")
