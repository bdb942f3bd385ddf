"""What happens in this worker and Laravel wants to know: put into the queues where it happens."""

import logging
from collections.abc import Collection, Sequence

from mechamap.domain.channels import Channel
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.members import Announcement
from mechamap.domain.publication import Publication
from mechamap.domain.webhooks import Notice, WebhookEvent, client_event, event_of, member_changed

from .protocol import Queues, WebhookMeter

log = logging.getLogger(__name__)


class WebhookObserver:
    """The hub's ``Observer``."""

    def __init__(self, queues: Queues, events: Collection[WebhookEvent], meter: WebhookMeter) -> None:
        self._queues = queues
        self._events = frozenset(events)
        self._meter = meter

    def add(self, notices: Sequence[Notice]) -> None:
        """Queue them, and say how many others had to go.

        Raises:
            BrokerUnavailable
        """
        if not notices:
            return
        dropped = self._queues.add(notices)
        if dropped:
            self._meter.webhook_events("dropped", dropped)
            log.error("webhooks_dropped", extra={"count": dropped})

    def announced(self, announcements: Sequence[Announcement]) -> int:
        try:
            self.add([member_changed(each) for each in announcements if event_of(each) in self._events])
        except BrokerUnavailable as err:
            log.warning("webhooks_not_queued", extra={"code": err.code, "count": len(announcements)})
            return 0
        return len(announcements)

    def whispered(self, whisper: Publication, channel: Channel, user_id: int) -> None:
        if WebhookEvent.CLIENT_EVENT not in self._events:
            return
        try:
            self.add([client_event(whisper, channel, user_id)])
        except BrokerUnavailable as err:  # the browsers have it; its sender must not say it again
            self._meter.webhook_events("dropped")
            log.warning("webhooks_not_queued", extra={"code": err.code, "count": 1})
