"""What publishers do: send events to channels within their key's scope, and batches of them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from mechamap.auth.protocol import BroadcastKey
from mechamap.broker.protocol import Broker, Published
from mechamap.domain.errors import Forbidden, PayloadTooLarge, RealtimeError
from mechamap.domain.privacy import WITHHELD
from mechamap.domain.publication import Publication, Receipt

from .protocol import Meter
from .tap import Kind, Tap

log = logging.getLogger(__name__)


class Publisher:
    """Checks what only the server knows (scope, size of the event) and hands on to the broker."""

    def __init__(
        self,
        broker: Broker,
        meter: Meter,
        max_bytes: int,
        count: Callable[[str, int], None] | None = None,
        tap: Tap | None = None,
    ) -> None:
        """``count`` is told each publisher's accepted events; ``tap`` is the worker's, where one runs in this
        process."""
        self._broker = broker
        self._tap = tap or Tap()
        self._meter = meter
        self._count = count
        self.max_bytes = max_bytes

    def publish(self, key: BroadcastKey, publication: Publication) -> Receipt:
        """Accept one event.

        Raises:
            Forbidden: the key's scope leaves out one of the channels.
            BrokerUnavailable: it was not accepted; or, with ``unknown``, that cannot be told.
            Conflict: something else was accepted under its publisher's name for it.
        """
        self.check_scope(key, publication)
        if publication.withheld:
            self.left_out(publication, [WITHHELD] * len(publication.withheld))
        try:
            receipt = self._broker.publish(publication)
        except RealtimeError as err:
            self.refused(publication.origin, err)
            raise
        self._meter.publication("duplicate" if receipt.duplicate else "accepted")
        if self._count is not None:
            self._count(publication.origin, 1)
        self._log(publication, receipt)
        return receipt

    def publish_many(self, key: BroadcastKey, publications: Sequence[Publication]) -> Published:
        """Accept events in their order, in one round trip, up to the first that the broker does not take.

        Raises:
            Forbidden: the key's scope leaves out a channel of one; nothing was published.
        """
        for publication in publications:
            self.check_scope(key, publication)
            if publication.withheld:
                self.left_out(publication, [WITHHELD] * len(publication.withheld))
        published = self._broker.publish_many(publications)
        if published.receipts:
            repeated = sum(receipt.duplicate for receipt in published.receipts)
            for code, count in (("accepted", len(published.receipts) - repeated), ("duplicate", repeated)):
                if count:
                    self._meter.publication(code, count)
            if self._count is not None:  # those of a series are one publisher's
                self._count(publications[0].origin, len(published.receipts))
            for publication, receipt in zip(publications, published.receipts, strict=False):
                self._log(publication, receipt)
        if published.failure is not None:
            self.refused(publications[len(published.receipts)].origin, published.failure)
        return published

    def check_scope(self, key: BroadcastKey, publication: Publication) -> None:
        """Refuse channels outside the key's scope, before anything of a batch is published."""
        if not key.scopes:
            return
        for channel in publication.channels:
            if not key.may_publish(channel):
                raise Forbidden(f"The key {key.name!r} may not publish to {channel.name}.", code="key_scope")

    def check_size(self, size: int, field: str = "data") -> None:
        """``size`` bytes of JSON are within the limit for one event."""
        if size > self.max_bytes:
            raise PayloadTooLarge(field, size, self.max_bytes)

    def left_out(self, publication: Publication, codes: Iterable[str]) -> None:
        """Count and log channels that do not get a publication which others get."""
        counts = Counter(codes)
        for code, count in counts.items():
            self._meter.publication(code, count)
        if counts:
            about = {"publication": publication.id, "origin": publication.origin}
            log.warning("channels_left_out", extra={**about, "counts": dict(counts)})
            if self._tap.on:
                for code in counts:
                    self._tap.published(Kind.REFUSAL, publication, code=code)

    def refused(self, origin: str, error: RealtimeError) -> None:
        """Count and log a publication that was not accepted."""
        self._meter.publication(error.code)
        log.warning("publication_refused", extra={"origin": origin, "code": error.code})
        if self._tap.on:
            self._tap.note(Kind.REFUSAL, origin=origin, code=error.code)

    def _log(self, publication: Publication, receipt: Receipt) -> None:
        if self._tap.on:
            code = "duplicate" if receipt.duplicate else "accepted"
            self._tap.published(Kind.EVENT, publication, receipt, code=code)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "published_before" if receipt.duplicate else "published",
                extra={
                    "publication": receipt.id,
                    "origin": publication.origin,
                    "channels": [channel.name for channel in publication.channels[:10]],
                    "event": publication.event,
                    "subscribers": receipt.total,
                },
            )
