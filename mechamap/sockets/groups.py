"""Events of pages of groups: ``get_member_count`` and ``group_message``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mechamap.domain.group_messages import read_group_message
from mechamap.domain.moments import now_iso
from mechamap.edge.limits import RateLimits
from mechamap.hub.groups import Groups

from .aliases import of_group
from .answers import Answer
from .payloads import channel_of

if TYPE_CHECKING:
    from mechamap.engine import SocketIO


class GroupEvents:
    """The handlers; each returns its acknowledgement, or raises."""

    def __init__(self, socketio: "SocketIO", groups: Groups, limits: RateLimits) -> None:
        self._socketio = socketio
        self._groups = groups
        self._limits = limits

    def handlers(self) -> Mapping[str, Callable[[str, tuple[object, ...]], Answer]]:
        return {"get_member_count": self.on_count, "group_message": self.on_message}

    def on_count(self, sid: str, args: tuple[object, ...]) -> Answer:
        found = self._groups.count(sid, channel_of(of_group(args)))
        answer: Answer = {
            "group_id": found.group_id,
            "count": found.members,
            "online": found.online,
            "updated_at": now_iso(),
        }
        self._socketio.send_to(sid, "member_count_updated", answer)
        return answer

    def on_message(self, sid: str, args: tuple[object, ...]) -> Answer:
        """Acknowledged when Laravel has stored it, and not before; a page clears its input then."""
        message = read_group_message(args[0] if args else None)
        self._limits.check_group_message(sid)
        group_id, stored = self._groups.post(sid, channel_of(of_group(args)), message)
        return {"success": True, "group_id": group_id, "id": stored, "timestamp": now_iso()}
