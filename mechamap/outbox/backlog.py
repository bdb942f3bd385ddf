"""What waits in Laravel's outbox, as the leader sees it: rows are looked at, published in series, settled.

A row is deleted after the broker accepted it. If that cannot be done, it is published again under the same
id, which the broker and its workers know.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ..broker.protocol import Published
from ..domain.channels import Parse
from ..domain.errors import PayloadTooLarge, RealtimeError
from ..domain.publication import Publication
from .protocol import OutboxMeter, OutboxTable, Pending, Refusal, Row
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
MEASURE_EVERY = 5.0
"""Seconds between counts of dead letters, and of the age of the first row while nobody can lead."""
MAX_REASON = 200


class Backlog:
    """``publish`` hands a series to the broker and logs it; ``max_bytes`` limits an event's data; ``parse``
    reads names of channels.

    Attributes:
        oldest_at: when the first row that waits was written, by ``time.monotonic``, as far as is known.
        dead: dead letters in the table when they were last counted.
    """

    def __init__(
        self,
        table: OutboxTable,
        publish: Callable[[Sequence[Publication]], Published],
        meter: OutboxMeter,
        *,
        max_bytes: int,
        parse: Parse,
    ) -> None:
        self.oldest_at: float | None = None
        self.dead = 0
        self._table = table
        self._publish = publish
        self._meter = meter
        self._max_bytes = max_bytes
        self._parse = parse
        self._looked: deque[Pending] = deque()
        self._looked_at = 0.0
        self._published: dict[int, str] = {}
        self._refused: dict[int, Refusal] = {}
        self._measured = float("-inf")

    def __bool__(self) -> bool:
        """Whether a row that was looked at is not done with."""
        return bool(self._looked)

    def look(self) -> None:
        """See what is committed and waits.

        Raises:
            RealtimeError: the database is away.
        """
        if self._due():
            self.dead = self._table.dead_count()
            self._measured = time.monotonic()
        self._looked_at = time.monotonic()
        for each in self._table.pending(LOOK):
            if each.size > 3 * self._max_bytes + ENVELOPE:
                self._refuse(each.id, PayloadTooLarge("data", each.size, self._max_bytes))
            else:
                self._looked.append(each)
        self._measure()

    def pass_on(self, held: Callable[[], bool]) -> None:
        """Publish the first series of what was seen, as long as the lease is ``held``.

        Raises:
            RealtimeError: the database or the broker is away. Nothing is lost by trying again.
        """
        series = self._next_series()
        rest: list[tuple[int, Publication]] = []
        for row in self._table.read([each.id for each in series]):
            publication = self._read(row)
            if publication is not None:
                rest.append((row.id, publication))
        failure: RealtimeError | None = None
        while rest and held():
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
        self.settle()

    def settle(self) -> None:
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
            self.dead += len(self._refused)
        self._published, self._refused = {}, {}

    def settle_if_possible(self) -> None:
        try:
            self.settle()
        except RealtimeError as err:
            # Tried again as long as this worker lives; whoever leads publishes them under the same ids.
            log.warning("outbox_unsettled", extra={"code": err.code, "rows": len(self._published)})

    def leave(self) -> None:
        """To whoever leads next: what was seen here, but not what became of rows."""
        self._looked.clear()
        self.dead = 0
        self.settle_if_possible()

    def watch_age(self) -> None:
        """While nobody can lead, ask the table now and then since when rows wait."""
        if not self._due():
            return
        self._measured = time.monotonic()
        try:
            age = self._table.oldest()
        except RealtimeError:
            return  # what was known before holds
        self.oldest_at = time.monotonic() - age if age else None

    def _due(self) -> bool:
        return time.monotonic() - self._measured >= MEASURE_EVERY

    def _measure(self) -> None:
        self.oldest_at = self._looked_at - self._looked[0].age if self._looked else None

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
