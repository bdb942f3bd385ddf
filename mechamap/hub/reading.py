"""Marking a person's notifications as read, so that every device shows the same count.

A count is true at the moment it was read. Two devices on two workers that mark at once would each count
before the other has published, and the older count could be published last. So marking, counting and
publishing are one turn of that person: in it nobody else's marking is half done, and the order of the events,
which is the broker's, is the order of the counts.

The acting device's answer has its place in that order too: behind all earlier counts, because it waits until
this worker has delivered the events it made, and before all later ones, because the turn ends behind it.
"""

import logging
import time
from collections.abc import Callable, Collection

from mechamap.broker.protocol import Broker, Turn, Turns
from mechamap.domain.channels import Channel, user_channel
from mechamap.domain.errors import BrokerUnavailable, NotFound, RealtimeError
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication, Receipt
from mechamap.store.protocol import MarkedRead, Notifications

from .connections import Connections

log = logging.getLogger(__name__)

DELIVERED_WITHIN = 0.5
"""Seconds an answer waits for its own events at most; they take about a millisecond."""
LOOK = 0.001
LATE = 1.0
"""Seconds after which a publication without an answer cannot be accepted any more: its deadline."""


class Reading:
    """One worker's markings. ``later`` runs a call soon, but not before the caller has given its answer."""

    def __init__(
        self,
        connections: Connections,
        broker: Broker,
        notifications: Notifications,
        turns: Turns,
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self._connections = connections
        self._broker = broker
        self._notifications = notifications
        self._turns = turns
        self._later = later

    def mark(self, sid: str, ids: Collection[int | str]) -> tuple[MarkedRead, bool]:
        """Mark notifications of the connection's person as read and tell the person's devices.

        The caller must not yield before it has sent its answer.

        Returns:
            What was marked, and whether the devices could be told.

        Raises:
            NotFound: the connection is gone, or none of the ids is the person's own.
            DirectoryUnavailable: nothing was marked.
        """
        connection = self._connections.get(sid)
        if connection is None:
            raise NotFound("The connection is not signed in.", code="not_connected")
        user_id = connection.user_id
        own = user_channel(user_id)
        turn = self._turns.take(own.canonical)
        failure: RealtimeError | None = None
        try:
            marked = self._notifications.mark_read(user_id, ids)
            failure = self._publish(own, marked, sid, user_id, turn)
        finally:
            if turn is not None:
                self._end(turn, failure)
        if failure is not None:
            log.warning("read_not_synced", extra={"user": user_id, "code": failure.code})
        return marked, failure is None

    def _publish(
        self, own: Channel, marked: MarkedRead, sid: str, user_id: int, turn: Turn | None
    ) -> RealtimeError | None:
        if turn is None or not turn.held:
            return BrokerUnavailable("The count could not be given its place among others.")
        published = self._broker.publish_many(_events(own, marked, sid, user_id))
        if published.receipts:
            self._until_delivered(own, published.receipts[-1])
        return published.failure

    def _until_delivered(self, own: Channel, last: Receipt) -> None:
        end = time.monotonic() + DELIVERED_WITHIN
        while time.monotonic() < end:
            here = self._broker.position(own.canonical)
            if here.epoch != last.epoch or here.offset >= last.offset:
                return
            time.sleep(LOOK)

    def _end(self, turn: Turn, failure: RealtimeError | None) -> None:
        def end() -> None:
            if isinstance(failure, BrokerUnavailable) and failure.unknown:
                time.sleep(LATE)  # it may yet be accepted, and nothing newer before it
            turn.release()

        self._later(end)


def _events(own: Channel, marked: MarkedRead, sid: str, user_id: int) -> list[Publication]:
    """Each receipt in the plan's form and in that of the application's pages, to the other devices; then the
    count, to all: a device whose answer was lost with its connection learns it when it returns."""
    news = []
    for notification_id in marked.ids:
        plan = {
            "notificationId": notification_id,
            "notification_id": notification_id,
            "readBy": user_id,
            "unreadCount": marked.unread_count,
            "unread_count": marked.unread_count,
            "timestamp": marked.read_at,
        }
        page = {
            "notification_id": notification_id,
            "user_id": user_id,
            "unread_count": marked.unread_count,
            "read_at": marked.read_at,
        }
        news.append(Publication((own,), "notification_read", payload_of(plan), except_id=sid))
        news.append(Publication((own,), "notification.read", payload_of(page), except_id=sid))
    count = {"user_id": user_id, "unread_count": marked.unread_count, "updated_at": marked.read_at}
    news.append(Publication((own,), "unread.count.updated", payload_of(count)))
    return news
