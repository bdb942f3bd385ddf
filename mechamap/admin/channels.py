"""Channels that have subscribers: counts, a test event whose reach is shown first, closing all of one."""

import json
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.channels import Channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import InvalidField, PayloadTooLarge, RealtimeError
from mechamap.domain.publication import Publication
from mechamap.domain.wire import read_broadcast
from mechamap.services import Services

from . import figures
from .gate import LiveView
from .permissions import READING, Permission, needs
from .reasons import DEFAULT_REASON, reason_given
from .snapshot import take

SHOWN = 200
EXAMPLE = '{\n  "title": "Test from the console",\n  "message": "If you can read this, delivery works."\n}'


class Channels(LiveView):
    permission = Permission.VIEW
    fragments = ("problem", "channels")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Channels", endpoint="channels", url="channels")

    def facts(self) -> dict[str, Any]:
        query = request.args.get("q", "").strip()[:200]
        snapshot = take(self.services)
        wanted = query.casefold()
        matching = [row for row in snapshot.channels if wanted in row.name.casefold() or wanted == row.kind]
        return {
            "snapshot": snapshot,
            "rows": matching[:SHOWN],
            "matches": len(matching),
            "query": query,
            "live_query": {"q": query} if query else {},
            "demo": self.services.settings.demo,
        }

    @expose("/")
    def index(self) -> Response:
        return self.page("channels", **self.facts())

    @expose("/publish", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.EVENT_PUBLISH)
    def publish(self) -> Any:
        """Write an event (GET), see its reach (POST ``step=preview``), send it (POST ``step=send``)."""
        fields = {name: request.values.get(name, "").strip() for name in ("channel", "event", "data")}
        if request.method in READING:
            fields["event"] = fields["event"] or "notification.sent"
            fields["data"] = fields["data"] or EXAMPLE
            return self.page("publish", fields=fields, error=None)
        try:
            body = {**fields, "data": self._payload(fields["data"])}
            publication = read_broadcast(body, self.actor, parse=self.services.parse_channel)
        except InvalidField as err:
            return self.page("publish", 422, fields=fields, error=err)
        if request.form.get("step") != "send":
            reach = self._reach(publication)
            who = self.services.operations.reach(publication.channels[0])
            return self.page("publish_preview", fields=fields, publication=publication, reach=reach, who=who)
        channel = publication.channels[0]
        try:
            receipt = self.act(
                f"channel:{channel.name}",
                lambda: self.services.operations.publish(body, self.actor),
                lambda made: f"{publication.event} to {made.total} subscribers; publication {made.id}",
            )
        except RealtimeError as err:
            return self.page("publish", err.http_status, fields=fields, error=err)
        reached = figures.number_of(receipt.total, "subscriber")
        return self.done(f"{publication.event} went to {reached} of {channel.name}.", "channels.index")

    @expose("/disconnect", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.CONNECTION_CLOSE)
    def disconnect(self) -> Any:
        """Ask first (GET), then close every connection that is subscribed to the channel (POST)."""
        channel = self.services.parse_channel(request.values.get("channel"))
        if request.method in READING:
            return self.page(
                "disconnect_channel",
                channel=channel,
                subscribers=self._subscribers(channel),
                reason=DEFAULT_REASON,
            )
        reason = reason_given(request.form)
        command = Command(Action.KICK, channel=channel.canonical, reason=reason)
        closed = self.act(
            f"channel:{channel.name}",
            lambda: self.services.operations.kick(command),
            lambda number: f"{number} ordered to close; {reason}",
        )
        return self.done(
            f"{figures.number_of(closed, 'connection')} of {channel.name} ordered to close.", "channels.index"
        )

    def _payload(self, text: str) -> object:
        size, limit = len(text.encode()), self.services.settings.max_broadcast_bytes
        if size > limit:
            too_large = PayloadTooLarge("data", size, limit)
            raise InvalidField("data", too_large.message, code=too_large.code)
        try:
            return json.loads(text, parse_constant=_not_json)
        except (ValueError, RecursionError) as err:
            raise InvalidField("data", f"data is not JSON: {err}.", code="data_not_json") from err

    def _reach(self, publication: Publication) -> int:
        return sum(self._subscribers(channel) for channel in publication.channels)

    def _subscribers(self, channel: Channel) -> int:
        rows = self.services.operations.channels()
        return next((row.subscribers for row in rows if row.canonical == channel.canonical), 0)


def _not_json(word: str) -> object:
    raise ValueError(f"{word} is not a JSON number")
