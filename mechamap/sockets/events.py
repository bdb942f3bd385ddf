"""The namespace of browsers: which events there are, and how each is answered.

Each event ends in an answer: the plan's event, and the same as an acknowledgement where the client asked for
one. A handler never raises, whatever the payload.

The handlers are python-socketio's, not Flask-SocketIO's: they need nothing of Flask, and its request context
costs 60 us an event.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mechamap.auth.protocol import Authenticator
from mechamap.domain.channels import parse_channel_of_site
from mechamap.domain.credentials import ChannelAuth, Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import InvalidChannel, RateLimited, RealtimeError
from mechamap.edge.limits import RateLimits
from mechamap.hub.hub import Hub
from mechamap.hub.protocol import Meter
from mechamap.hub.reading import Reading
from mechamap.hub.tap import Kind
from mechamap.store.protocol import Directory

from .aliases import SUBSCRIBE, UNSUBSCRIBE, Read, as_it_is
from .answers import Answer, failure, internal_error, status_of
from .channels import ChannelEvents
from .connecting import Connecting
from .payloads import channel_of, shown
from .person import PersonEvents

if TYPE_CHECKING:
    from mechamap.engine import SocketIO

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
        self._limits = limits
        self._meter = meter
        self._refusals: dict[str, int] = {}
        # by socket id, where Laravel is asked: what it knows the browser by
        self._credentials: dict[str, Credentials] = {}
        self._connecting = Connecting(
            socketio, hub, authenticator, directory, limits, meter, ways, self._credentials
        )
        self._person = PersonEvents(socketio, reading)
        self._channels = ChannelEvents(socketio, hub, limits, ways, self._credentials)

    def register(self, *more: Handlers) -> None:
        """Bind the handlers. A name bound here is part of the contract with browsers. ``more``: those of
        other modules, whose refusals come as ``error``."""
        on, guarded, channels, person = self._socketio.server.on, self._guarded, self._channels, self._person
        on("connect", self._connecting.on_connect)
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
