"""A person reads notifications on one device, and the others hear of it."""

import logging
from collections.abc import Collection

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import user_channel
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.store.protocol import MarkedRead, Notifications

from .connections import Connections

log = logging.getLogger(__name__)


class Reading:
    """One worker's part in it."""

    def __init__(self, connections: Connections, notifications: Notifications, broker: Broker) -> None:
        self._connections = connections
        self._notifications = notifications
        self._broker = broker

    def mark_read(self, sid: str, ids: Collection[int | str]) -> tuple[MarkedRead, bool]:
        """See ``Hub.mark_read``."""
        user_id = self._connections.signed_in(sid).user_id
        own = user_channel(user_id)
        marked = self._notifications.mark_read(user_id, ids)
        news = []
        for notification_id in marked.ids:
            data = {
                "notificationId": notification_id,
                "notification_id": notification_id,
                "readBy": user_id,
                "unreadCount": marked.unread_count,
                "unread_count": marked.unread_count,
                "timestamp": marked.read_at,
            }
            news.append(Publication((own,), "notification_read", payload_of(data), except_id=sid))
        failure = self._broker.publish_many(news).failure
        if failure is not None:
            log.warning("read_not_synced", extra={"user": user_id, "code": failure.code})
        return marked, failure is None
