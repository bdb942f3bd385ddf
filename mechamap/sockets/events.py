"""The plan's events: connect, subscribe, unsubscribe, notification_read, ping, disconnect, and anything else
a client may send.

Each event ends in an answer: the plan's event, and the same as an acknowledgement where the client asked for
one. A handler never raises, whatever the payload.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import request
from flask_socketio import ConnectionRefusedError as Refusal

from mechamap.auth.protocol import Authenticator
from mechamap.domain.errors import AuthenticationFailed, RateLimited, RealtimeError
from mechamap.domain.moments import now_iso
from mechamap.edge.limits import RateLimits
from mechamap.hub.hub import Hub
from mechamap.hub.protocol import Meter
from mechamap.store.protocol import Directory

from .answers import Answer, failure, internal_error
from .handshake import token_of, visitor_of
from .payloads import channel_of, notification_ids, shown

if TYPE_CHECKING:
    from mechamap.engine import SocketIO

log = logging.getLogger(__name__)

HOPELESS = 500
"""Events refused for their rate after which a connection is closed: it does not listen to refusals."""


class Events:
    """The handlers of the namespace ``/``, bound to one Socket.IO server and one hub."""

    def __init__(
        self,
        socketio: "SocketIO",
        hub: Hub,
        authenticator: Authenticator,
        directory: Directory,
        limits: RateLimits,
        meter: Meter,
    ) -> None:
        self._socketio = socketio
        self._hub = hub
        self._authenticator = authenticator
        self._directory = directory
        self._limits = limits
        self._meter = meter
        self._refusals: dict[str, int] = {}

    def register(self) -> None:
        """Bind the handlers. A name bound here is part of the contract with browsers."""
        on = self._socketio.on_event
        on("connect", self.on_connect)
        on("disconnect", self.on_disconnect)
        on("subscribe", self._guarded("subscribe", self.on_subscribe, "subscription_error"))
        on("unsubscribe", self._guarded("unsubscribe", self.on_unsubscribe, "subscription_error"))
        on(
            "notification_read",
            self._guarded("notification_read", self.on_notification_read, "notification_error"),
        )
        on("ping", self._guarded("ping", self.on_ping, "error"))
        on("*", self.on_unknown)

    def on_connect(self, auth: object) -> None:
        """Verify, admit, and greet. ``auth`` has no default: Flask-SocketIO 5.7 would call again without it
        after a TypeError."""
        try:
            self._admit(auth)
        except RealtimeError as err:
            self._meter.connection(err.code)
            log.info("connection_refused", extra={"code": err.code, "address": request.remote_addr})
            raise Refusal(err.message, {"code": err.code, **err.details()}) from err
        except Exception as err:
            self._meter.connection("internal_error")
            answer = internal_error("connect")
            raise Refusal("Internal error", {k: answer[k] for k in ("code", "incident")}) from err

    def _admit(self, auth: object) -> None:
        sid: str = request.sid  # type: ignore[attr-defined]
        visitor = visitor_of(request)
        self._limits.check_signins(visitor.address)
        try:
            identity = self._authenticator.authenticate(token_of(auth, request))
        except AuthenticationFailed:
            self._limits.note_failed_signin(visitor.address)
            raise
        connection = self._hub.connect(
            sid,
            identity,
            self._directory.user(identity.user_id),
            transport=request.args.get("transport", "polling")[:20],
            address=visitor.address,
            user_agent=visitor.user_agent,
        )
        own = next(iter(connection.channels.values()))
        self._socketio.send_to(
            sid, "subscribed", {"channel": own.name, "status": "auto", "timestamp": now_iso()}
        )
        self._socketio.send_to(
            sid,
            "connected",
            {"socketId": sid, "userId": identity.user_id, "timestamp": now_iso(), "channels": [own.name]},
        )

    def on_disconnect(self, *args: object) -> None:
        sid: str = request.sid  # type: ignore[attr-defined]
        self._refusals.pop(sid, None)
        reason = str(args[0]) if args else "unknown"
        self._hub.disconnect(sid, reason.replace(" ", "_")[:40])

    def on_subscribe(self, sid: str, args: tuple[object, ...]) -> Answer:
        channel = self._hub.subscribe(sid, channel_of(args))
        answer: Answer = {"channel": channel_of(args), "status": "success", "timestamp": now_iso()}
        self._socketio.send_to(sid, "subscribed", answer)
        log.debug("subscribed", extra={"sid": sid, "channel": channel.name})
        return answer

    def on_unsubscribe(self, sid: str, args: tuple[object, ...]) -> Answer:
        self._hub.unsubscribe(sid, channel_of(args))
        answer: Answer = {"channel": channel_of(args), "timestamp": now_iso()}
        self._socketio.send_to(sid, "unsubscribed", answer)
        return answer

    def on_notification_read(self, sid: str, args: tuple[object, ...]) -> Answer:
        marked, told = self._hub.mark_read(sid, notification_ids(args))
        return {
            "success": True,
            "notificationId": marked.ids[0],
            "notificationIds": list(marked.ids),
            "unreadCount": marked.unread_count,
            "synced": told,
            "timestamp": marked.read_at,
        }

    def on_ping(self, sid: str, args: tuple[object, ...]) -> Answer:
        answer: Answer = {"timestamp": now_iso()}
        self._socketio.send_to(sid, "pong", answer)
        return answer

    def on_unknown(self, event: object, *args: object) -> Answer:
        """Events nobody handles are counted and, where the client asked, answered; they reach no one."""
        sid: str = request.sid  # type: ignore[attr-defined]
        try:
            self._within_rate(sid)
        except RealtimeError as err:
            return failure(err)
        self._meter.received("unknown")
        return {"error": "Unknown event", "code": "unknown_event", "message": "The server has no such event."}

    def _guarded(
        self, name: str, handler: Callable[[str, tuple[object, ...]], Answer], error_event: str
    ) -> Callable[..., Answer]:
        def run(*args: object) -> Answer:
            sid: str = request.sid  # type: ignore[attr-defined]
            self._meter.received(name)
            try:
                self._within_rate(sid)
                return handler(sid, args)
            except RealtimeError as err:
                answer = failure(err)
            except Exception:
                answer = internal_error(name)
            if error_event == "subscription_error":
                answer = {"channel": shown(channel_of(args)), **answer}
            self._socketio.send_to(sid, error_event, answer)
            return answer

        return run

    def _within_rate(self, sid: str) -> None:
        """Raise RateLimited for a client that sends too fast; one that goes on regardless is closed."""
        try:
            self._limits.check_connection(sid)
        except RateLimited:
            connection = self._hub.connections.get(sid)
            if connection is not None:
                self._refusals[sid] = refused = self._refusals.get(sid, 0) + 1
                if refused >= HOPELESS:
                    self._hub.close(connection, "flood", "The client sent too many events.")
            raise
