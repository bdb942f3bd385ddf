"""The tap: what happens in this worker, as long as a console asks for it and in so far as it wants it.

Nobody asks: ``on`` is False, and whoever might note something looks at that one attribute. A console asks
again and again; each time it gets what it has not seen, and its lease begins anew. What one of them wants is
kept for it in a bounded list, at a bounded rate; the rest is counted as skipped, never waited for.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mechamap.domain.channels import spell
from mechamap.domain.errors import Unavailable
from mechamap.domain.publication import Publication, Receipt

LEASE = 15.0
"""Seconds after which a console that asked no more is forgotten."""
MOST_CONSOLES = 8
RATE = 200
"""Records a second for one console; one worker tells no more."""
BURST = 400
KEPT = 1_000
"""Records that wait for one console."""
GIVEN = 300
"""Records of one answer, which is bounded in bytes as well."""
SHOWN = 4
"""Channels of one record; of more only the number is told."""


class Kind(StrEnum):
    """What a record is about."""

    EVENT = "event"
    """A publication was accepted here."""
    DELIVERY = "delivery"
    """A publication was queued for connections of this worker."""
    REFUSAL = "refusal"
    """Something was refused: a connection, a subscription, an event, a publication."""
    CONNECT = "connect"
    UPGRADE = "upgrade"
    """A connection moved from polling to WebSocket."""
    DISCONNECT = "disconnect"
    KICK = "kick"
    """The server ended a connection on purpose."""
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    RECOVERY = "recovery"
    """A client returned to its session, or could not."""
    GAP = "gap"
    """Events may have been missed while the link to Redis was down."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a console wants to see; what is empty restricts nothing.

    Attributes:
        canonical: of one channel.
        channel, event: part of a name.
        code: the beginning of a reason's code.
    """

    kinds: tuple[str, ...] = ()
    user_id: int | None = None
    canonical: str = ""
    channel: str = ""
    event: str = ""
    code: str = ""

    def passes(self, kind: Kind, about: dict[str, object]) -> bool:
        if self.kinds and kind.value not in self.kinds:
            return False
        channels = about.get("channels", ())
        assert isinstance(channels, tuple)
        # an event is a user's too if it goes to the user's own channel
        if self.user_id not in (None, about.get("user_id")) and f"user:{self.user_id}" not in channels:
            return False
        if self.event and self.event not in str(about.get("event", "")).casefold():
            return False
        if self.code and not str(about.get("code", "")).startswith(self.code):
            return False
        if self.canonical and self.canonical not in channels:
            return False
        names = (name for canonical in channels for name in (canonical, spell(canonical)))
        return not self.channel or any(self.channel in name.casefold() for name in names)


@dataclass(frozen=True, slots=True)
class Watch:
    """A question to a worker: see ``Tap.watch``. ``after`` is None for a console that begins.

    Attributes:
        cursors: by worker, where the page is; a worker takes its own.
    """

    console: str
    wants: Filter
    cursors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watched:
    """What one worker has to tell a console."""

    records: list[dict[str, Any]]
    next: int
    skipped: int


@dataclass(slots=True)
class _Console:
    """One that watches."""

    wants: Filter
    until: float
    number: int = 0
    skipped: int = 0
    tokens: float = BURST
    filled: float = 0.0
    records: deque[dict[str, Any]] = field(default_factory=deque)


class Tap:
    """One worker's. ``note`` neither waits nor raises.

    Attributes:
        on: whether anybody watches; look at it before ``note``.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.on = False
        self._clock = clock
        self._consoles: dict[str, _Console] = {}

    def watch(self, console: str, wants: Filter, after: int | None) -> Watched:
        """What the console has not seen, after the record with this number; None: it begins now.

        Records are told in their order, and again until they are asked after; ``skipped`` counts those that
        were lost since the last time.

        Raises:
            Unavailable: too many watch already.
        """
        now = self._clock()
        self._expire(now)
        known = self._consoles.get(console)
        if known is None:
            if len(self._consoles) >= MOST_CONSOLES:
                raise Unavailable(
                    f"{MOST_CONSOLES} consoles watch already.", code="too_many_consoles", retry_after=15
                )
            # numbers go on from where the page is: a worker that was slow may have forgotten it
            known = self._consoles[console] = _Console(wants, now + LEASE, number=after or 0, filled=now)
        known.wants, known.until = wants, now + LEASE
        self.on = True
        while known.records and after is not None and known.records[0]["n"] <= after:
            known.records.popleft()
        records = [known.records[place] for place in range(min(len(known.records), GIVEN))]
        skipped, known.skipped = known.skipped, 0
        return Watched(records, records[-1]["n"] if records else known.number, skipped)

    def leave(self, console: str) -> None:
        """The console watches no more."""
        self._consoles.pop(console, None)
        self.on = bool(self._consoles)

    def note(self, kind: Kind, **about: object) -> None:
        """Keep it for those who want it. Nothing secret and no payload: all of it is shown."""
        now = self._clock()
        expired = False
        for console in self._consoles.values():
            expired = expired or console.until < now
            if console.until >= now and console.wants.passes(kind, about):
                _keep(console, kind, about, now)
        if expired:
            self._expire(now)

    def published(
        self, kind: Kind, publication: Publication, receipt: Receipt | None = None, **more: object
    ) -> None:
        """The same about a publication: its envelope, and of its payload the size."""
        about: dict[str, object] = {
            "id": publication.id,
            "event": publication.event,
            "channels": publication.rooms,
            "origin": publication.origin,
            "size": len(publication.payload),
            "epoch": publication.epoch,
            "offset": publication.offset,
        }
        if receipt is not None:  # the broker that sends it away does not write into what it was given
            about |= {"id": receipt.id, "epoch": receipt.epoch, "offset": receipt.offset}
            about["subscribers"] = receipt.total
        self.note(kind, **about, **more)

    def _expire(self, now: float) -> None:
        for name in [name for name, console in self._consoles.items() if console.until < now]:
            del self._consoles[name]
        self.on = bool(self._consoles)


def _keep(console: _Console, kind: Kind, about: dict[str, object], now: float) -> None:
    console.tokens = min(BURST, console.tokens + (now - console.filled) * RATE)
    console.filled = now
    if console.tokens < 1:
        console.skipped += 1
        return
    console.tokens -= 1
    if len(console.records) >= KEPT:
        console.records.popleft()
        console.skipped += 1
    console.number += 1
    console.records.append({"n": console.number, "at": now, "kind": kind.value, **_plain(about)})


def _plain(about: dict[str, object]) -> dict[str, Any]:
    """What JSON can carry, without what is not known."""
    found = {name: value for name, value in about.items() if value is not None and value != ()}
    channels = found.get("channels")
    if isinstance(channels, tuple):
        found["channels"] = [spell(name) for name in channels[:SHOWN]]
        if len(channels) > SHOWN:
            found["others"] = len(channels) - SHOWN
    return found
