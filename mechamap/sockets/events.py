"""The namespace of browsers: who connects and leaves, which events there are, and how each is answered.

Each event ends in an answer: the plan's event, and the same as an acknowledgement where the client asked for
one. A handler never raises, whatever the payload.

The handlers are python-socketio's, not Flask-SocketIO's: they need nothing of Flask, and its request context
costs 60 us an event.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from socketio.exceptions import ConnectionRefusedError as Refusal

from mechamap.auth.protocol import Authenticator
from mechamap.domain.channels import parse_channel_of_site, user_channel
from mechamap.domain.credentials import ChannelAuth, Credentials
from mechamap.domain.dialects import Dialect
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
from mechamap.domain.recovery import Returning
from mechamap.edge.limits import RateLimits
from mechamap.engine import Postponed
from mechamap.hub.arrivals import Admission
from mechamap.hub.hub import Hub
from mechamap.hub.protocol import Meter
from mechamap.hub.reading import Reading
from mechamap.hub.tap import Kind
from mechamap.store.protocol import Directory

from .aliases import SUBSCRIBE, UNSUBSCRIBE, Read, as_it_is
from .answers import Answer, failure, internal_error, status_of
from .channels import ChannelEvents
from .handshake import Visitor, credentials_of, dialect_of, returning_of, token_of, visitor_of
from .payloads import channel_of, shown
from .person import PersonEvents

if TYPE_CHECKING:
    from mechamap.engine import SocketIO

log = logging.getLogger(__name__)

Handler = Callable[[str, tuple[object, ...]], Answer]
"""Takes a socket id and an event's arguments, and returns the acknowledgement, or raises."""
HOPELESS = 500
"""Events refused for their rate after which a connection is closed: it does not listen to refusals."""


class Handlers(Protocol):
    """Handlers of events, by their names."""

    def handlers(self) -> Mapping[str, Handler]: ...


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
        self._authenticator = authenticator
        self._directory = directory
        self._limits = limits
        self._meter = meter
        self._refusals: dict[str, int] = {}
        self._signed = ChannelAuth.SIGNATURE in ways
        self._asked = ChannelAuth.LARAVEL in ways
        # by socket id, where Laravel is asked: what it knows the browser by
        self._credentials: dict[str, Credentials] = {}
        self._person = PersonEvents(socketio, reading)
        self._channels = ChannelEvents(socketio, hub, limits, ways, self._credentials)

    def register(self, *more: Handlers) -> None:
        """Bind the handlers. A name bound here is part of the contract with browsers. ``more``: those of
        other modules, whose refusals come as ``error``."""
        on, guarded, channels, person = self._socketio.server.on, self._guarded, self._channels, self._person
        on("connect", self.on_connect)
        on("disconnect", self.on_disconnect)
        subscribe = partial(guarded, "subscribe", channels.on_subscribe, "subscription_error")
        unsubscribe = partial(guarded, "unsubscribe", channels.on_unsubscribe, "subscription_error")
        for name, read in SUBSCRIBE.items():
            on(name, subscribe(read))
        for name, read in UNSUBSCRIBE.items():
            on(name, unsubscribe(read))
        on("notification_read", guarded("notification_read", person.on_read, "notification_error"))
        on("presence:members", guarded("presence:members", channels.on_members, "subscription_error"))
        on("client event", guarded("client_event", channels.on_whisper))
        on("user_activity", guarded("user_activity", person.on_activity))
        on("ping", guarded("ping", person.on_ping))
        for each in more:
            for name, handler in each.handlers().items():
                on(name, guarded(name, handler))
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

    def on_unknown(self, event: str, sid: str, *args: object) -> Answer:
        """Events nobody handles are counted and, where the client asked, answered; they reach no one."""
        self._hub.active(sid)
        try:
            self._within_rate(sid)
        except RealtimeError as err:
            return failure(err)
        self._meter.received("unknown")
        return {"error": "Unknown event", "code": "unknown_event", "message": "The server has no such event."}

    def _guarded(
        self, name: str, handler: Handler, error_event: str = "error", read: Read = as_it_is
    ) -> Callable[..., Answer]:
        """The handler as it is bound: within the sender's rate, and answered whatever happens. ``read`` makes
        what comes into the arguments that the handler knows."""

        def run(sid: str, *given: object) -> Answer:
            self._meter.received(name)
            if name != "ping":  # pages send those by a timer
                self._hub.active(sid)
            args = read(given)
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
                if self._channels.spoken(sid, args) is Dialect.ECHO:
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
