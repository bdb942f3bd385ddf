"""The live console: what happens now, in the whole cluster, as far as the operator wants to see it.

The page asks once a second under a name of its own; workers note what it wants as long as it asks, and
nothing afterwards. Payloads are not in what they note: an administrator may open one, which is recorded.
"""

import json
from typing import Any

from flask import Response, render_template, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidChannel, InvalidField, NotFound
from mechamap.domain.history import Position
from mechamap.domain.recovery import parse_offset
from mechamap.hub.history import PastEvent, opened
from mechamap.hub.tap import Filter, Kind
from mechamap.hub.watching import new_console
from mechamap.services import Services

from .gate import LiveView
from .permissions import Permission, needs

MAX_CURSORS = 20_000
"""Characters: hundreds of workers."""
UNASKED = frozenset({Kind.DELIVERY, Kind.UPGRADE})
"""Shown only to those who ask: one of each worker for every event, and one for most connections."""


class Watch(LiveView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Live", endpoint="watch", url="watch")

    def facts(self) -> dict[str, Any]:
        """The form as it was filled in."""
        fields = {name: _text(name) for name in ("user", "channel", "event", "code")}
        asked = set(request.args.getlist("kind"))
        chosen = [kind for kind in Kind if kind.value in asked] or [k for k in Kind if k not in UNASKED]
        return {"fields": fields, "kinds": list(Kind), "chosen": chosen}

    @expose("/")
    def index(self) -> Response:
        facts = self.facts()
        try:
            _filter(self.services, facts)
        except InvalidField as err:
            return self.page("watch", 422, error=err, console=None, **facts)
        return self.page("watch", error=None, console=new_console(), **facts)

    def live(self) -> dict[str, Any]:
        """What the page has not seen, as rows of its table, the newest first."""
        facts = self.facts()
        console, cursors = request.args.get("console", ""), _cursors(request.args.get("cursors", "{}"))
        seen = self.services.watching.see(console, _filter(self.services, facts), cursors)
        slots = {worker.id: worker.slot for worker in self.services.operations.workers()}
        return {
            "rows": render_template("console/live/records.html", records=seen.records[::-1], slots=slots),
            "count": len(seen.records),
            "cursors": seen.cursors,
            "skipped": seen.skipped,
            "silent": list(seen.silent),
        }

    @expose("/event")
    def event(self) -> Response:
        """One event's envelope; its payload stays masked."""
        channel, past = self._event(request.args)
        return self.page("event", channel=channel, past=past, position=request.args["position"], payload=None)

    @expose("/payload", methods=("POST",))
    @needs(Permission.ADMINISTER, Act.EVENT_OPEN)
    def payload(self) -> Response:
        """The event with its payload; that it was opened is recorded."""
        channel = self.services.parse_channel(request.form.get("channel", "")).name
        past = self.act(
            f"channel:{channel}", lambda: self._event(request.form)[1], lambda found: opened((found,))
        )
        text = json.dumps(past.data, ensure_ascii=False, indent=2)
        position = request.form["position"]
        return self.page("event", channel=channel, past=past, position=position, payload=text)

    def _event(self, fields: Any) -> tuple[str, PastEvent]:
        """The event that ``channel`` and ``position`` name, from the channel's log.

        Raises:
            InvalidField: they name none.
            NotFound: the log has it no more.
        """
        channel = self.services.parse_channel(fields.get("channel", ""))
        position = parse_offset(fields.get("position"))
        if position is None:
            raise InvalidField("position", "A position looks like kT3x_9aQ.1041.", code="position_invalid")
        before = Position(position.epoch, max(0, position.offset - 1))
        page = self.services.operations.history(channel.name, before, 1)
        if not page.events or page.events[0].offset != position.offset or page.epoch != position.epoch:
            raise NotFound("The channel's log does not have this event any more.", code="event_gone")
        return channel.name, page.events[0]


def _filter(services: Services, facts: dict[str, Any]) -> Filter:
    """What the form asks for.

    Raises:
        InvalidField: the user is not an id.
    """
    fields, user_id = facts["fields"], None
    if fields["user"]:
        if not (fields["user"].isascii() and fields["user"].isdigit() and len(fields["user"]) < 20):
            raise InvalidField("user", "The user's id is a whole number.")
        user_id = int(fields["user"])
    canonical, part = "", fields["channel"]
    try:
        canonical, part = services.parse_channel(part).canonical, ""
    except InvalidChannel:  # part of a name
        pass
    kinds = tuple(kind.value for kind in facts["chosen"])
    event, code = fields["event"].casefold(), fields["code"]
    return Filter(kinds, user_id, canonical, part.casefold(), event, code)


def _cursors(text: str) -> dict[str, int]:
    """Where the page is, by worker. Nonsense begins anew."""
    if len(text) > MAX_CURSORS:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: at for name, at in found.items() if type(at) is int and 0 <= at < 2**53}


def _text(name: str) -> str:
    return request.args.get(name, "").strip()[:200]
