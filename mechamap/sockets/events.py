"""The plan's events: connect, subscribe, unsubscribe, notification_read, ping, disconnect; pages of members;
Laravel Echo's whispers, which it calls ``client event``; and anything else a client may send.

Each event ends in an answer: the plan's event, and the same as an acknowledgement where the client asked for
one. A handler never raises, whatever the payload.

The handlers are python-socketio's, not Flask-SocketIO's: they need nothing of Flask, and its request context
costs 60 us an event.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.auth.protocol import Authenticator
from mechamap.domain.channels import parse_channel_of_site, user_channel
from mechamap.domain.credentials import ChannelAuth, Credentials
from mechamap.domain.dialects import Dialect, dialect_of_subscription
from mechamap.domain.errors import (
    AuthenticationFailed,
    DirectoryUnavailable,
    InvalidChannel,
    RateLimited,
    RealtimeError,
    Unavailable,
)
from mechamap.domain.identity import GUEST, Identity, UserFacts
from mechamap.domain.moments import now_iso
from mechamap.domain.recovery import Returning, offset_text
from mechamap.domain.whispers import read_whisper
from mechamap.edge.limits import RateLimits
from mechamap.engine import Postponed
from mechamap.hub.arrivals import Admission
from mechamap.hub.hub import Hub
from mechamap.hub.protocol import Meter
from mechamap.hub.reading import Reading
from mechamap.hub.tap import Kind
from mechamap.store.protocol import Directory

from .answers import Answer, failure, internal_error, status_of
from .handshake import Visitor, credentials_of, dialect_of, returning_of, token_of, visitor_of
from .payloads import after_of, channel_of, notification_ids, shown, since_of

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
        reading: Reading,
        authenticator: Authenticator,
        directory: Directory,
        limits: RateLimits,
        meter: Meter,
        ways: Collection[ChannelAuth] = (),
    ) -> None:
        """``ways``: who else than our rules decides on channels, and so what is read of credentials."""
        self._socketio = socketio
        self._hub = hub
        self._reading = reading
        self._authenticator = authenticator
        self._directory = directory
        self._limits = limits
        self._meter = meter
        self._refusals: dict[str, int] = {}
        self._signed = ChannelAuth.SIGNATURE in ways
        self._asked = ChannelAuth.LARAVEL in ways
        # by socket id, where Laravel is asked: what it knows the browser by
        self._credentials: dict[str, Credentials] = {}

    def register(self) -> None:
        """Bind the handlers. A name bound here is part of the contract with browsers."""
        on = self._socketio.server.on
        on("connect", self.on_connect)
        on("disconnect", self.on_disconnect)
        on("subscribe", self._guarded("subscribe", self.on_subscribe, "subscription_error"))
        on("unsubscribe", self._guarded("unsubscribe", self.on_unsubscribe, "subscription_error"))
        on(
            "notification_read",
            self._guarded("notification_read", self.on_notification_read, "notification_error"),
        )
        on(
            "presence:members",
            self._guarded("presence:members", self.on_members, "subscription_error"),
        )
        on("client event", self._guarded("client_event", self.on_whisper, "error"))
        on("ping", self._guarded("ping", self.on_ping, "error"))
        on("*", self.on_unknown)

    def on_connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        """Verify, admit, and greet."""
        visitor, returning = visitor_of(environ), returning_of(auth)
        credentials = credentials_of(sid, visitor.address, auth, environ) if self._asked else None
        try:
            self._admit(
                sid, visitor, token_of(auth, environ), returning, dialect_of(auth, environ), credentials
            )
            if credentials is not None and self._hub.connections.get(sid) is not None:
                self._credentials[sid] = credentials
        except RealtimeError as err:
            self._meter.connection(err.code)
            log.info("connection_refused", extra={"code": err.code, "address": visitor.address})
            if self._hub.journal.tap.on:
                about = {"transport": visitor.transport, "address": visitor.address}
                self._hub.journal.tap.note(Kind.REFUSAL, event="connect", code=err.code, sid=sid, **about)
            if returning is not None and isinstance(err, Unavailable):
                raise Postponed from err  # it was in before, and is not to give up for an outage
            raise Refusal(err.message, {"code": err.code, **err.details()}) from err
        except Exception as err:
            self._meter.connection("internal_error")
            answer = internal_error("connect")
            raise Refusal("Internal error", {k: answer[k] for k in ("code", "incident")}) from err

    def _admit(
        self,
        sid: str,
        visitor: Visitor,
        token: object,
        returning: Returning | None,
        dialect: Dialect,
        credentials: Credentials | None,
    ) -> None:
        self._limits.check_signins(visitor.address)
        try:
            # a page of Laravel Echo may be known by its cookies alone, to whom each channel is put
            guest = token is None and dialect is Dialect.ECHO and (self._asked or self._signed)
            identity = GUEST if guest else self._authenticator.authenticate(token)
        except AuthenticationFailed:
            self._limits.note_failed_signin(visitor.address)
            raise
        admission = self._hub.connect(
            sid,
            identity,
            self._facts(identity),
            returning,
            credentials=credentials,
            transport=visitor.transport,
            address=visitor.address,
            user_agent=visitor.user_agent,
            dialect=dialect,
        )
        self._greet(sid, admission)

    def _facts(self, identity: Identity) -> UserFacts | None:
        """What the directory says of the user; None where it has no table of users, or is away and Laravel
        itself vouched for the user, and of guests."""
        if identity.guest:
            return None
        try:
            return self._directory.user(identity.user_id)
        except DirectoryUnavailable:
            if not identity.vouched:
                raise
            return None

    def _greet(self, sid: str, admission: Admission) -> None:
        """The CONNECT answer's pid, the plan's two events, what became of a return, and what was missed."""
        connection, send, now = admission.connection, self._socketio.send_to, now_iso()
        self._socketio.answer_with(sid, {"pid": connection.pid})
        channels = list(connection.spellings)
        greeting = {"socketId": sid, "userId": connection.user_id, "timestamp": now, "channels": channels}
        if admission.recovered:
            greeting["recovered"] = True
        elif channels:  # guests have none of their own
            place = self._hub.position(user_channel(connection.user_id))
            told = {"channel": channels[0], "status": "auto", "timestamp": now}
            send(sid, "subscribed", {**told, "epoch": place.epoch, "offset": place.offset})
        send(sid, "connected", greeting)
        if admission.lost is not None:
            send(sid, "recovery", {"recovered": False, "reason": admission.lost.value, "timestamp": now})
        elif admission.claim is not None:
            for channel, decision in admission.claim.refused:
                self._hub.tell_revoked(sid, channel, decision, admission.claim.dialect_of(channel))
        given = self._hub.join(admission)
        if admission.recovered:
            log.info("recovered", extra={"user": connection.user_id, "sid": sid, "replayed": given})

    def on_disconnect(self, sid: str, reason: str) -> None:
        self._refusals.pop(sid, None)
        self._credentials.pop(sid, None)
        self._hub.disconnect(sid, reason.replace(" ", "_")[:40])

    def on_subscribe(self, sid: str, args: tuple[object, ...]) -> Answer:
        done = self._hub.subscribe(
            sid, channel_of(args), since_of(args), self._spoken(sid, args), self._credentials_of(sid, args)
        )
        place = {"epoch": done.position.epoch, "offset": done.position.offset}
        answer: Answer = {"channel": channel_of(args), "status": "success", "timestamp": now_iso(), **place}
        if done.recovered is not None:
            answer |= {"recovered": done.recovered, "count": done.count}
        if done.reason is not None:
            answer["reason"] = done.reason
        # The stock client takes the last text behind an event for where it is in all its channels; what was
        # sent of this one is older than what it has of the others.
        behind = (offset_text(done.resume.epoch, done.resume.offset),) if done.resume is not None else ()
        self._socketio.send_to(sid, "subscribed", answer, *behind)
        log.debug("subscribed", extra={"sid": sid, "channel": done.channel.name})
        return answer

    def on_unsubscribe(self, sid: str, args: tuple[object, ...]) -> Answer:
        self._hub.unsubscribe(sid, channel_of(args))
        answer: Answer = {"channel": channel_of(args), "timestamp": now_iso()}
        self._socketio.send_to(sid, "unsubscribed", answer)
        return answer

    def on_notification_read(self, sid: str, args: tuple[object, ...]) -> Answer:
        marked, told = self._reading.mark(sid, notification_ids(args))
        return {
            "success": True,
            "notificationId": marked.ids[0],
            "notificationIds": list(marked.ids),
            "unreadCount": marked.unread_count,
            "unread_count": marked.unread_count,
            "synced": told,
            "timestamp": marked.read_at,
        }

    def on_members(self, sid: str, args: tuple[object, ...]) -> Answer:
        """More members of a channel, for those that ``presence:subscribed`` did not list."""
        page = self._hub.members(sid, channel_of(args), after_of(args))
        answer: Answer = {"channel": channel_of(args), **page.shown()}
        self._socketio.send_to(sid, "presence:members", answer)
        return answer

    def on_whisper(self, sid: str, args: tuple[object, ...]) -> Answer:
        """What a browser says to the others in a channel."""
        self._limits.check_whisper(sid)
        whisper = read_whisper(args[0] if args else None)
        channel = self._hub.whisper(sid, whisper)
        return {"channel": channel.name, "event": whisper.event, "status": "success", "timestamp": now_iso()}

    def on_ping(self, sid: str, args: tuple[object, ...]) -> Answer:
        answer: Answer = {"timestamp": now_iso()}
        self._socketio.send_to(sid, "pong", answer)
        return answer

    def on_unknown(self, event: str, sid: str, *args: object) -> Answer:
        """Events nobody handles are counted and, where the client asked, answered; they reach no one."""
        try:
            self._within_rate(sid)
        except RealtimeError as err:
            return failure(err)
        self._meter.received("unknown")
        return {"error": "Unknown event", "code": "unknown_event", "message": "The server has no such event."}

    def _guarded(
        self, name: str, handler: Callable[[str, tuple[object, ...]], Answer], error_event: str
    ) -> Callable[..., Answer]:
        def run(sid: str, *args: object) -> Answer:
            self._meter.received(name)
            try:
                self._within_rate(sid)
                return handler(sid, args)
            except RealtimeError as err:
                answer, status = failure(err), status_of(err)
                if self._hub.journal.tap.on:
                    self._tell_refusal(sid, name, args, err)
            except Exception:
                answer, status = internal_error(name), RealtimeError.http_status
            first: tuple[object, ...] = ()
            if error_event == "subscription_error":
                channel = shown(channel_of(args))
                answer = {"channel": channel, **answer}
                if self._spoken(sid, args) is Dialect.ECHO:
                    first = (channel, status)
            self._socketio.send_to(sid, error_event, *first, answer)
            return answer

        return run

    def _tell_refusal(self, sid: str, event: str, args: tuple[object, ...], error: RealtimeError) -> None:
        connection = self._hub.connections.get(sid)
        user_id = connection.user_id if connection is not None else None
        named = shown(channel_of(args))
        try:
            channels = (parse_channel_of_site(named).canonical,) if named else ()
        except InvalidChannel:
            channels = (named,)
        tap = self._hub.journal.tap
        tap.note(Kind.REFUSAL, user_id=user_id, sid=sid, event=event, channels=channels, code=error.code)

    def _spoken(self, sid: str, args: tuple[object, ...]) -> Dialect:
        """In which dialect the client asked for something of a channel."""
        connection = self._hub.connections.get(sid)
        own = connection.dialect if connection is not None else Dialect.PLAN
        return dialect_of_subscription(args[0] if args else None) or own

    def _credentials_of(self, sid: str, args: tuple[object, ...]) -> Credentials | None:
        """What a subscription brings for those who decide in our rules' stead, where there are any.

        Raises:
            InvalidField
        """
        if not (self._asked or self._signed):
            return None
        known = self._credentials.get(sid) or Credentials(sid)
        return known.with_payload(args[0] if args else None)

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
