"""Events about channels: subscribe, unsubscribe, pages of members, and whispers, which Laravel Echo calls
``client event``."""

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from mechamap.domain.credentials import ChannelAuth, Credentials
from mechamap.domain.dialects import Dialect, dialect_of_subscription
from mechamap.domain.moments import now_iso
from mechamap.domain.recovery import offset_text
from mechamap.domain.whispers import read_whisper
from mechamap.edge.limits import RateLimits
from mechamap.hub.hub import Hub

from .answers import Answer
from .payloads import after_of, channel_of, since_of

if TYPE_CHECKING:
    from mechamap.engine import SocketIO

log = logging.getLogger(__name__)


class ChannelEvents:
    """The handlers; each returns its acknowledgement, or raises."""

    def __init__(
        self,
        socketio: "SocketIO",
        hub: Hub,
        limits: RateLimits,
        ways: Collection[ChannelAuth],
        known: Mapping[str, Credentials],
    ) -> None:
        """``ways``: who else than our rules decides on channels; ``known``: by socket id, the credentials of
        handshakes."""
        self._socketio = socketio
        self._hub = hub
        self._limits = limits
        self._reads_credentials = ChannelAuth.SIGNATURE in ways or ChannelAuth.LARAVEL in ways
        self._known = known

    def on_subscribe(self, sid: str, args: tuple[object, ...]) -> Answer:
        done = self._hub.subscribe(
            sid, channel_of(args), since_of(args), self.spoken(sid, args), self._credentials_of(sid, args)
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

    def spoken(self, sid: str, args: tuple[object, ...]) -> Dialect:
        """In which dialect the client asked for something of a channel."""
        connection = self._hub.connections.get(sid)
        own = connection.dialect if connection is not None else Dialect.PLAN
        return dialect_of_subscription(args[0] if args else None) or own

    def _credentials_of(self, sid: str, args: tuple[object, ...]) -> Credentials | None:
        """What a subscription brings for those who decide in our rules' stead, where there are any.

        Raises:
            InvalidField
        """
        if not self._reads_credentials:
            return None
        known = self._known.get(sid) or Credentials(sid)
        return known.with_payload(args[0] if args else None)
