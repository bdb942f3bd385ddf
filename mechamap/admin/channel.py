"""One channel: who listens, who is a member, what it had; opening one event's data, and emptying the log."""

import json
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, NotFound, Unavailable
from mechamap.domain.history import Position
from mechamap.domain.members import MemberPage
from mechamap.hub.history import opened
from mechamap.services import Services

from . import figures
from .gate import LiveView
from .permissions import READING, Permission, needs
from .snapshot import take

MEMBERS = 50
"""Of one page."""


class Channel(LiveView):
    """Reached from the list; not in the menu."""

    permission = Permission.VIEW
    fragments = ("problem", "channel")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Channel", endpoint="channel", url="channel")

    def is_visible(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        name = request.args.get("name", "")
        after = request.args.get("after", 0, type=int)
        channel, snapshot = self.services.parse_channel(name), take(self.services)
        facts: dict[str, Any] = {"log": None, "reach": None, "members": None}
        operations = self.services.operations
        try:
            facts |= {"log": operations.channel(channel), "reach": operations.reach(channel)}
            facts["members"] = self._members(channel, after)
        except Unavailable:
            pass  # the snapshot tells why
        subscribers = {row.canonical: row.subscribers for row in snapshot.channels}
        return {
            **facts,
            "snapshot": snapshot,
            "channel": channel,
            "after": after,
            "subscribers": subscribers.get(channel.canonical, 0),
            "slots": {worker.id: worker.slot for worker in snapshot.workers},
            "history": self.services.settings.history,
            "live_query": {"name": name, **({"after": after} if after else {})},
        }

    def _members(self, channel: Any, after: int) -> MemberPage | None:
        if not channel.presence:
            return None
        return self.services.operations.members(channel, after, MEMBERS)

    @expose("/")
    def index(self) -> Response:
        return self.page("channel", **self.facts())

    @expose("/data", methods=("POST",))
    @needs(Permission.ADMINISTER, Act.EVENT_OPEN)
    def data(self) -> Any:
        """Open the data of one event, which the audit log notes."""
        channel = self.services.parse_channel(request.values.get("name"))
        position = _position(request.form.get("epoch", ""), request.form.get("offset", ""))

        def read() -> Any:
            found = self.services.operations.history(channel.name, position, 1).events
            if not found or found[0].offset != position.offset + 1:
                raise NotFound("The log does not hold this event any more.", code="event_gone")
            return found[0]

        event = self.act(f"channel:{channel.name}", read, lambda found: opened((found,)))
        shown = json.dumps(event.data, indent=2, ensure_ascii=False)
        return self.page("event_data", channel=channel, event=event, shown=shown)

    @expose("/purge", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.CHANNEL_PURGE)
    def purge(self) -> Any:
        """Show what is in the log (GET), then empty it (POST)."""
        channel = self.services.parse_channel(request.values.get("name"))
        if request.method in READING:
            seen = self.services.operations.channel(channel)
            return self.page("purge_channel", channel=channel, seen=seen)
        held = self.act(
            f"channel:{channel.name}",
            lambda: self.services.operations.purge(channel),
            lambda number: f"{number} events",
        )
        return self.done(
            f"The log of {channel.name} is empty; it held {figures.number_of(held, 'event')}.",
            "channel.index",
            name=channel.name,
        )


def _position(epoch: str, offset: str) -> Position:
    """Before the event at that place."""
    if not (0 < len(epoch) <= 64 and epoch.isascii() and offset.isascii() and offset.isdigit()):
        raise InvalidField("offset", "Name the event by its epoch and offset.")
    return Position(epoch, max(0, int(offset[:20]) - 1))
