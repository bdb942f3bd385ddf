"""From Laravel's outbox to the broker: by one worker for all of them, in the order of commits.

The leader looks at everything that is committed and waits, publishes it by id in series, and only then looks
again: what is seen in a later look was committed later, so no row overtakes one that was committed before the
look. No place in the table is remembered, so a transaction that commits late is found like any other and a
gap in the ids (a transaction rolled back) delays nobody.

A row is deleted after the broker accepted it. If that cannot be done, it is published again under the same
id, which the broker and its workers know.
"""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ..broker.leadership import Leadership
from ..broker.protocol import Published
from ..broker.supervision import join, supervised
from ..domain.channels import Parse, parse_channel
from ..domain.errors import PayloadTooLarge, RealtimeError
from ..domain.publication import Publication
from .pace import Delays, Pace
from .protocol import OutboxMeter, OutboxState, OutboxTable, Pending, Refusal, Row
from .reading import read_row

log = logging.getLogger(__name__)

LOOK = 10_000
"""Rows of one look, 2 MB here. Of a deeper backlog the rest is found by the next look, by id."""
SERIES = 100
"""Rows per round trip: Redis serves nobody else for about 2 ms."""
SERIES_BYTES = 1_048_576
"""About as many as a worker and Redis move well within the second the broker allows."""
ENVELOPE = 4096
"""Bytes a row may hold beside its data and twice that for escapes such as PHP's; more is refused unread."""
TAKE_EVERY = 1.0
"""Seconds between renewals: three may fail before the lease ends."""
FIRST_TRY = 0.5
"""Seconds between attempts to lead."""
MEASURE_EVERY = 5.0
"""Seconds between counts of dead letters, and of the age of the first row while nobody can lead."""
DRAIN = 4.0
"""Seconds a worker that stops may take to finish its series."""
MAX_REASON = 200


class Relay:
    """``publish`` hands a series to the broker and logs it; ``max_bytes`` limits an event's data; ``parse``
    reads names of channels.

    ``on_lost`` is told if the relay's thread ends by an error it should not have.
    """

    def __init__(
        self,
        table: OutboxTable,
        leadership: Leadership,
        publish: Callable[[Sequence[Publication]], Published],
        meter: OutboxMeter,
        *,
        pace: Pace,
        max_bytes: int,
        on_lost: Callable[[str], None],
        parse: Parse = parse_channel,
    ) -> None:
        self._table = table
        self._leadership = leadership
        self._publish = publish
        self._meter = meter
        self._max_bytes = max_bytes
        self._parse = parse
        self._on_lost = on_lost
        self._delays = Delays(pace)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked: deque[Pending] = deque()
        self._looked_at = 0.0
        self._published: dict[int, str] = {}
        self._refused: dict[int, Refusal] = {}
        self._leading = False
        self._failure: str | None = None
        self._oldest_at: float | None = None
        self._dead = 0
        self._renewed = self._measured = float("-inf")

    def start(self) -> None:
        """Compete for the lead, and publish whenever it is won."""
        self._thread = supervised("outbox", self._run, self._on_lost)

    def stop(self) -> None:
        """Finish the series under way, and let another worker lead."""
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, DRAIN)

    def state(self) -> OutboxState:
        failure, oldest_at = self._failure, self._oldest_at
        if self._thread is None or not self._thread.is_alive():
            ok, detail = False, "The relay of the outbox does not run in this worker."
        elif failure is not None:
            ok, detail = False, failure
        elif self._leading:
            ok, detail = True, "This worker publishes the outbox."
        else:
            ok, detail = True, "Another worker publishes the outbox, or is about to."
        lag = 0.0 if oldest_at is None else time.monotonic() - oldest_at
        return OutboxState(ok, detail, self._leading, lag, self._dead)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._leadership.take():
                self._lead()
            else:
                self._stand_by()
            # Half of it is chance, so that workers do not ask in step.
            self._stopping.wait(FIRST_TRY * random.uniform(0.5, 1.0))

    def _lead(self) -> None:
        """Publish until the lease is lost, or ``stop``."""
        log.info("outbox_leading")
        self._leading, self._failure = True, None
        self._renewed = time.monotonic()
        try:
            while self._goes_on():
                try:
                    worked = self._step()
                except RealtimeError as err:
                    self._failed(err)
                    self._pause(self._delays.failed())
                    continue
                self._failure = None
                delay = self._delays.found() if worked else self._delays.empty()
                if not self._looked:
                    self._pause(delay)
        finally:
            self._leading = False
            self._looked.clear()
            self._dead = 0
            self._settle_if_possible()
            self._leadership.release()
            log.info("outbox_left", extra={"why": self._failure or "the lead was given up"})

    def _stand_by(self) -> None:
        """Another leads; or nobody can tell who, and the table goes on to say since when rows wait."""
        self._settle_if_possible()
        if self._leadership.known:
            self._failure = self._oldest_at = None
            return
        self._failure = "Redis cannot say who publishes the outbox."
        if time.monotonic() - self._measured >= MEASURE_EVERY:
            self._measured = time.monotonic()
            try:
                age = self._table.oldest()
            except RealtimeError:
                return  # what was known before holds
            self._oldest_at = time.monotonic() - age if age else None

    def _goes_on(self) -> bool:
        """Whether to lead on; renews the lease when that is due."""
        if self._stopping.is_set() or not self._leadership.held:
            return False
        if time.monotonic() - self._renewed >= TAKE_EVERY:
            self._renewed = time.monotonic()
            return self._leadership.take()
        return True

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._goes_on() and (left := end - time.monotonic()) > 0:
            self._stopping.wait(min(left, TAKE_EVERY))

    def _failed(self, err: RealtimeError) -> None:
        if err.message != self._failure:
            self._failure = err.message
            log.warning("outbox_waits", extra={"code": err.code, "why": err.message})

    def _step(self) -> bool:
        """One look, if what was seen in the last one is done, and one series; whether there was anything.

        Raises:
            RealtimeError: the database or the broker is away. Nothing is lost by trying again.
        """
        self._settle()
        if not self._looked:
            self._look()
        if not self._looked or not self._goes_on():
            return False
        self._pass_on(self._next_series())
        return True

    def _look(self) -> None:
        if time.monotonic() - self._measured >= MEASURE_EVERY:
            self._dead = self._table.dead_count()
            self._measured = time.monotonic()
        self._looked_at = time.monotonic()
        for each in self._table.pending(LOOK):
            if each.size > 3 * self._max_bytes + ENVELOPE:
                self._refuse(each.id, PayloadTooLarge("data", each.size, self._max_bytes))
            else:
                self._looked.append(each)
        self._measure()

    def _measure(self) -> None:
        self._oldest_at = self._looked_at - self._looked[0].age if self._looked else None

    def _next_series(self) -> list[Pending]:
        """The first rows seen that fit into one, at least one."""
        series: list[Pending] = []
        size = 0
        for each in self._looked:
            size += each.size
            if len(series) == SERIES or (series and size > SERIES_BYTES):
                break
            series.append(each)
        return series

    def _pass_on(self, series: list[Pending]) -> None:
        rest: list[tuple[int, Publication]] = []
        for row in self._table.read([each.id for each in series]):
            publication = self._read(row)
            if publication is not None:
                rest.append((row.id, publication))
        failure: RealtimeError | None = None
        while rest and self._leadership.held:
            published = self._publish([publication for _, publication in rest])
            accepted = len(published.receipts)
            self._published |= {row_id: publication.id for row_id, publication in rest[:accepted]}
            rest = rest[accepted:]
            failure = published.failure
            if failure is None or failure.retry:
                break
            self._refuse(rest[0][0], failure)
            del rest[0]
        # Ids are in order: what was seen before the first that is left is done with.
        left = rest[0][0] if rest else series[-1].id + 1
        while self._looked and self._looked[0].id < left:
            self._looked.popleft()
        self._measure()
        if failure is not None and failure.retry:
            raise failure
        self._settle()

    def _read(self, row: Row) -> Publication | None:
        try:
            publication = read_row(row, self._parse)
            if len(publication.payload) > self._max_bytes:
                raise PayloadTooLarge("data", len(publication.payload), self._max_bytes)
        except RealtimeError as err:
            self._refuse(row.id, err)
        except Exception:  # a defect of ours must not stop the rows behind it
            log.exception("outbox_failed", extra={"row": row.id})
            self._refuse(row.id, RealtimeError("A defect of the server.", code="internal_error"))
        else:
            return publication
        return None

    def _refuse(self, row_id: int, err: RealtimeError) -> None:
        self._refused[row_id] = Refusal(err.code, err.message[:MAX_REASON])

    def _settle(self) -> None:
        """Write into the table what became of rows.

        Raises:
            RealtimeError: it could not be written and is kept; nothing else is published before it is.
        """
        if not self._published and not self._refused:
            return
        self._table.settle(self._published, self._refused)
        if self._published:
            self._meter.relayed("accepted", len(self._published))
        if self._refused:
            counts = Counter(refusal.code for refusal in self._refused.values())
            for code, count in counts.items():
                self._meter.relayed(code, count)
            # the reasons are in the rows, and may quote them
            log.warning("outbox_refused", extra={"first": min(self._refused), "counts": dict(counts)})
            self._dead += len(self._refused)
        self._published, self._refused = {}, {}

    def _settle_if_possible(self) -> None:
        try:
            self._settle()
        except RealtimeError as err:
            # Tried again as long as this worker lives; whoever leads publishes them under the same ids.
            log.warning("outbox_unsettled", extra={"code": err.code, "rows": len(self._published)})
