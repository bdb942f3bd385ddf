"""Laravel's ``redis`` driver, ingested once for all workers: whoever leads listens and publishes.

The leader alone follows the prefix and hands what it hears to the broker, in series of what is waiting; the
broker orders it and brings it to every worker like any other publication. Pub/sub keeps nothing: what Laravel
publishes while nobody leads (up to the lease after a worker was killed) is gone, as it is with every server
behind that driver. A publisher that must know uses the HTTP API.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis

from ..broker.leadership import Leadership
from ..broker.protocol import Published
from ..broker.supervision import join, supervised
from ..domain.channels import Parse, parse_channel
from ..domain.errors import PayloadTooLarge, RealtimeError
from ..domain.publication import Publication
from .backlog import Backlog
from .laravel_redis import ENVELOPE, read_messages
from .protocol import IngestMeter, IngestState
from .push_reader import Oversized, ProtocolError
from .refusals import Refusals
from .subscription import Subscription

log = logging.getLogger(__name__)

SERIES = 100
"""Messages per round trip: Redis serves nobody else for about 2 ms."""
TICK = 0.25
"""Seconds after which a leader without messages looks whether it still is one."""
TAKE_EVERY = 1.0
"""Seconds between renewals: three may fail before the lease ends."""
FIRST_TRY, LAST_TRY = 0.5, 2.0
"""Seconds between attempts to lead: while another does, and at most, while Laravel's Redis is away."""
RETRY = 0.2
"""Seconds until a series that the broker did not take is tried again."""
DRAIN = 2.0
"""Seconds a worker that leads no more may still publish what it has read."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is listened to. ``own`` begins the names by which our workers talk, if they do so on the same
    Redis; ``max_bytes`` limits an event's data; ``parse`` reads names of channels."""

    url: str
    prefix: str
    own: bytes
    max_bytes: int
    parse: Parse = parse_channel


class Ingester:
    """``publish`` hands a series to the broker (``Published``) and logs it.

    ``on_lost`` is told if the ingester's thread ends by an error it should not have.
    """

    def __init__(
        self,
        source: Source,
        leadership: Leadership,
        publish: Callable[[Sequence[Publication]], Published],
        meter: IngestMeter,
        on_lost: Callable[[str], None],
    ) -> None:
        self._source = source
        self._leadership = leadership
        self._publish = publish
        self._meter = meter
        self._on_lost = on_lost
        self._backlog = Backlog()
        self._refusals = Refusals(meter)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        self._failure: str | None = None
        self._series_since: float | None = None

    def start(self) -> None:
        """Compete for the lead, and listen whenever it is won."""
        self._thread = supervised("ingester", self._run, self._on_lost)

    def stop(self) -> None:
        """Stop listening, publish what was heard, and let another worker lead."""
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, 2 * DRAIN)

    def state(self) -> IngestState:
        subscription, failure = self._subscription, self._failure
        if self._thread is None or not self._thread.is_alive():
            ok, detail = False, "The ingester does not run in this worker."
        elif failure is not None:
            ok, detail = False, failure
        elif subscription is None:
            ok, detail = True, "Another worker listens to Laravel's Redis, or is about to."
        else:
            ok = subscription.hearing
            detail = "This worker listens to Laravel's Redis." if ok else "This worker is connecting."
        since = self._series_since
        lag = self._backlog.age if since is None else time.monotonic() - since
        return IngestState(ok, detail, subscription is not None, len(self._backlog), lag)

    def _run(self) -> None:
        delay = FIRST_TRY
        while not self._stopping.is_set():
            if self._leadership.take():
                heard = self._lead()
                delay = FIRST_TRY if heard else min(LAST_TRY, delay * 2)
            else:
                delay = FIRST_TRY
                self._failure = None if self._leadership.known else "Redis cannot say who ingests."
            # Half of it is chance, so that workers do not ask in step.
            self._stopping.wait(delay * random.uniform(0.5, 1.0))

    def _lead(self) -> bool:
        """Ingest until the lease is lost, the connection ends, or ``stop``; whether anything could be
        heard."""
        source = self._source
        # PHP escapes: two bytes of UTF-8 come as six
        subscription = Subscription(source.url, source.prefix, 3 * source.max_bytes + ENVELOPE, self._receive)
        self._subscription = subscription
        reader = threading.Thread(
            target=self._listen, args=(subscription,), name="ingest-reader", daemon=True
        )
        reader.start()
        try:
            rest = self._pass_on(subscription, reader)
            subscription.stop()
            join(reader, DRAIN)
            rest = self._drain(rest)
            given_up = len(rest) + self._backlog.clear()
            if given_up:
                why = "the broker did not take it" if self._leadership.held else "the lead was lost"
                self._refusals.note("ingest_given_up", why, given_up)
        finally:
            subscription.stop()
            self._subscription = self._series_since = None
            self._leadership.release()
        if subscription.hearing:
            log.info("ingest_ended", extra={"why": self._failure or "the lead was given up"})
        return subscription.hearing

    def _listen(self, subscription: Subscription) -> None:
        try:
            subscription.run()
        except (redis.RedisError, OSError, ProtocolError) as err:
            # The class only: texts of redis-py name the address.
            if self._failure is None:
                log.warning("ingest_connection_down", extra={"error": type(err).__name__})
            self._failure = f"Laravel's Redis does not answer ({type(err).__name__})."

    def _receive(self, channel: bytes, message: bytes | Oversized) -> None:
        if channel.startswith(self._source.own):
            return
        if isinstance(message, Oversized):
            self._refusals.note(PayloadTooLarge.code, f"{message.size} bytes")
            return
        dropped = self._backlog.add(channel, message)
        if dropped:
            self._refusals.note("ingest_backlog_full", "the broker is slower than Laravel", dropped)

    def _pass_on(self, subscription: Subscription, reader: threading.Thread) -> list[Publication]:
        """Publish what arrives while this worker leads and hears; what of a series is left then."""
        series: list[Publication] = []
        renewed = time.monotonic()
        told = False
        while not self._stopping.is_set() and reader.is_alive() and self._leadership.held:
            if subscription.hearing and not told:
                told, self._failure = True, None
                log.info("ingest_listening")
            if time.monotonic() - renewed >= TAKE_EVERY:
                renewed = time.monotonic()
                self._leadership.take()
                continue
            series = self._series(series, TICK)
        return series

    def _drain(self, series: list[Publication]) -> list[Publication]:
        """Publish what was read, as far as the lease and a little time reach; what of a series is left
        then."""
        end = time.monotonic() + DRAIN
        while (series or len(self._backlog)) and self._leadership.held and time.monotonic() < end:
            series = self._series(series, 0.0)
        return series

    def _series(self, rest: list[Publication], timeout: float) -> list[Publication]:
        """Publish what is left of a series, or else of the next one; what is left then."""
        if not rest:
            self._series_since = None
            arrived = self._backlog.take(SERIES, timeout)
            if not arrived:
                return []
            self._series_since = arrived[0].at
            rest = self._read([(each.channel, each.text) for each in arrived])
            if not rest or not self._leadership.held:
                return rest
        published = self._publish(rest)
        accepted = len(published.receipts)
        if accepted:
            self._meter.ingested("accepted", accepted)
        failure = published.failure
        if failure is None:
            self._series_since = None
            return []
        if failure.retry:
            self._stopping.wait(RETRY)
            return rest[accepted:]
        self._refusals.note(failure.code, failure.message)
        return rest[accepted + 1 :]

    def _read(self, messages: list[tuple[bytes, bytes]]) -> list[Publication]:
        source = self._source

        def refused(err: RealtimeError) -> None:
            self._refusals.note(err.code, err.message)

        try:
            return read_messages(messages, source.prefix, source.max_bytes, refused, source.parse)
        except Exception:  # a defect of ours must not silence Laravel
            log.exception("ingest_failed")
            self._refusals.note("internal_error", "a defect; see ingest_failed", len(messages))
            return []
