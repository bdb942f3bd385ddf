"""Events about the person alone: ``notification_read``, ``user_activity`` and ``ping``."""

from typing import TYPE_CHECKING

from mechamap.domain.moments import now_iso
from mechamap.hub.reading import Reading

from .answers import Answer
from .payloads import notification_ids

if TYPE_CHECKING:
    from mechamap.engine import SocketIO


class PersonEvents:
    """The handlers; each returns its acknowledgement, or raises."""

    def __init__(self, socketio: "SocketIO", reading: Reading) -> None:
        self._socketio = socketio
        self._reading = reading

    def on_read(self, sid: str, args: tuple[object, ...]) -> Answer:
        marked, told = self._reading.mark(sid, notification_ids(args))
        return {
            "success": True,
            "notificationId": marked.ids[0],
            "notificationIds": list(marked.ids),
            "unreadCount": marked.unread_count,
            "unread_count": marked.unread_count,
            "synced": told,
            "timestamp": marked.read_at,
        }

    def on_activity(self, sid: str, args: tuple[object, ...]) -> Answer:
        """The page says that somebody is there. It is an event like any other, which is what counts; nothing
        is kept of what it says, and nobody is told."""
        return {"success": True, "timestamp": now_iso()}

    def on_ping(self, sid: str, args: tuple[object, ...]) -> Answer:
        answer: Answer = {"timestamp": now_iso()}
        self._socketio.send_to(sid, "pong", answer)
        return answer
