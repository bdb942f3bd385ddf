"""Typing: who is told that somebody writes in a channel, and that it is over, whatever became of the page.

A page says that it goes on as often as it likes. The others are told at the beginning, and again now and
then: pages that came later learn of it so, and those that are told nothing more for ``FORGOTTEN`` seconds
take it for over, because a worker that was killed cannot say so. Whether a person types in another page too
is known over all workers (``Typists``), so a page that stops does not stop the other.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, Parse
from mechamap.domain.errors import InvalidField, Unavailable
from mechamap.domain.moments import now_iso
from mechamap.domain.typing import Words, check_typed_in, typing_publications

from .connections import Connections
from .protocol import Typists

log = logging.getLogger(__name__)

EXPIRES = 6.0
"""Seconds after a page's last word until it counts as having stopped. Pages speak with each key, or every two
or three seconds: one of their words may be lost, and who went away is not shown for long."""
AGAIN = 15.0
"""Seconds until those who were told that somebody types are told again, if it goes on: each telling has a
place in the channel's log."""
FORGOTTEN = 25.0
"""Seconds that what was told may hold without being told again: longer than AGAIN and EXPIRES together, which
is the most there can be in between."""
MOST = 8
"""Channels in which one connection types at a time. People type in one."""
ROUND = 1.0
"""Seconds between two looks for what is over."""

Typed = tuple[str, Words]
"""A canonical channel, and the words in which a page speaks of it: who listens to these knows no others."""


@dataclass(slots=True)
class _Typing:
    """One page in one channel. ``until``: when it is over; ``told``: when the others were told last;
    ``busy``: they are being told just now."""

    channel: Channel
    user_id: int
    name: str | None
    until: float
    told: float
    busy: bool = True


class Typing:
    """One worker's part: its own connections."""

    def __init__(
        self,
        connections: Connections,
        broker: Broker,
        typists: Typists,
        parse: Parse,
        *,
        expires: float = EXPIRES,
        again: float = AGAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._broker = broker
        self._typists = typists
        self._parse = parse
        self._expires, self._again = expires, again
        self._clock = clock
        # by socket id; empty where nobody types
        self._pages: dict[str, dict[Typed, _Typing]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._pages.values()))

    def start(self, sid: str, name: object, words: Words, check_rate: Callable[[], None]) -> Channel:
        """The person types in the channel, or still does. ``check_rate`` is called before others are told.

        Raises:
            InvalidField: the channel's name, or too many of them at a time.
            Forbidden: nobody types there, or it has not subscribed.
            RateLimited: as ``check_rate`` raised it.
            NotFound: the connection is gone.
            BrokerUnavailable: nobody was told.
        """
        connection = self._connections.signed_in(sid)
        channel = self._parse(name)
        check_typed_in(channel, subscribed=connection.has(channel), guest=connection.identity.guest)
        now, typed = self._clock(), (channel.canonical, words)
        typing = self._pages.get(sid, {}).get(typed)
        if typing is not None and (typing.busy or now < typing.told + self._again):
            typing.until = now + self._expires
            return channel
        check_rate()
        before = typing
        if typing is None:
            if len(self._pages.get(sid, ())) >= MOST:
                raise InvalidField(
                    "channel", f"The limit is {MOST} channels at a time.", code="typing_too_many"
                )
            typing = _Typing(channel, connection.user_id, connection.name, now, now)
            self._pages.setdefault(sid, {})[typed] = typing
        typing.until, typing.busy = now + self._expires, True
        try:
            self._typists.began(_place(typed), typing.user_id, sid)
            self._tell(sid, words, typing, goes_on=True)
        except BaseException:
            typing.busy = False
            if before is None:
                self._drop(sid, typed)
            raise
        # what ended it meanwhile left ``until`` behind, for the next round
        typing.told, typing.busy = now, False
        return channel

    def stop(self, sid: str, name: object, words: Words, check_rate: Callable[[], None]) -> Channel:
        """The person does not type in the channel any more. Where it did not, nobody is told.

        Raises:
            InvalidField, Forbidden, RateLimited, NotFound: as ``start``.
            BrokerUnavailable: the others are told as soon as they can be.
        """
        connection = self._connections.signed_in(sid)
        channel = self._parse(name)
        typed = (channel.canonical, words)
        typing = self._pages.get(sid, {}).get(typed)
        if typing is None:
            check_typed_in(channel, subscribed=connection.has(channel), guest=connection.identity.guest)
            return channel
        check_rate()
        typing.until = self._clock()
        if not typing.busy:
            self._end(sid, typed, typing)
        return channel

    def left(self, sid: str, canonical: str | None = None) -> None:
        """The connection ended, or left this channel: the others are told in the next round. Does not
        yield."""
        for (channel, _), typing in self._pages.get(sid, {}).items():
            if canonical is None or channel == canonical:
                typing.until = -float("inf")

    def expire(self) -> None:
        """Once a round: tell what is over. While the broker is away that waits, until nobody needs to know
        any more."""
        now = self._clock()
        over = [
            (sid, typed, typing)
            for sid, page in self._pages.items()
            for typed, typing in page.items()
            if typing.until <= now
        ]
        away = False
        for sid, typed, typing in over:
            if typing.until > now or typing.busy or self._pages.get(sid, {}).get(typed) is not typing:
                continue  # it goes on, or is being told just now
            if not away:
                try:
                    self._end(sid, typed, typing)
                    continue
                except Unavailable as err:
                    away = True
                    log.info("typing_not_ended", extra={"sid": sid, "code": err.code})
                except Exception:  # a defect would come again with each round
                    self._drop(sid, typed)
                    raise
            if now > typing.told + FORGOTTEN:
                self._drop(sid, typed)

    def _end(self, sid: str, typed: Typed, typing: _Typing) -> None:
        typing.busy = True
        try:
            if self._typists.ended(_place(typed), typing.user_id, sid):
                self._tell(sid, typed[1], typing, goes_on=False)
        finally:
            typing.busy = False
        self._drop(sid, typed)

    def _tell(self, sid: str, words: Words, typing: _Typing, *, goes_on: bool) -> None:
        """All in one round trip."""
        told = typing_publications(
            words, typing.channel, typing.user_id, typing.name, typing=goes_on, but=sid, at=now_iso()
        )
        published = self._broker.publish_many(told)
        if published.failure is not None:
            raise published.failure

    def _drop(self, sid: str, typed: Typed) -> None:
        page = self._pages.get(sid, {})
        page.pop(typed, None)
        if not page:
            self._pages.pop(sid, None)


def _place(typed: Typed) -> str:
    channel, words = typed
    return f"{words.started[0]}:{channel}"
