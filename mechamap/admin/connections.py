"""Live connections: find them, and close one or all of a user."""

from dataclasses import dataclass
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import InvalidField, Unavailable
from mechamap.presence.protocol import ConnectionRecord
from mechamap.services import Services

from . import figures
from .gate import LiveView
from .permissions import READING, Permission, needs
from .reasons import DEFAULT_REASON, reason_given
from .snapshot import take

SEARCHED = 2000
"""Newest connections looked through by one search; each open page repeats its search every two seconds."""
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. ``partial``: there are older connections it did not look at."""

    rows: list[ConnectionRecord]
    matches: int
    partial: bool


class Connections(LiveView):
    permission = Permission.VIEW
    fragments = ("problem", "connections")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Connections", endpoint="connections", url="connections")

    def facts(self) -> dict[str, Any]:
        query = request.args.get("q", "").strip()[:200]
        snapshot = take(self.services)
        found = Found([], 0, False)
        if snapshot.totals is not None:
            try:
                found = search(self.services, query, snapshot.totals.connections)
            except Unavailable as err:
                snapshot = type(snapshot)(snapshot.checks, None, [], [], err)
        return {
            "snapshot": snapshot,
            "found": found,
            "query": query,
            "searched": SEARCHED,
            "slots": {worker.id: worker.slot for worker in snapshot.workers},
            "demo": self.services.settings.demo,
        }

    @expose("/")
    def index(self) -> Response:
        return self.page("connections", **self.facts())

    @expose("/disconnect", methods=("GET", "POST"))
    @needs(Permission.OPERATE)
    def disconnect(self) -> Any:
        """Ask first (GET), then close (POST): one connection by ``sid`` or all of ``user_id``."""
        sid, user_id = _named(request.values.get("sid"), request.values.get("user_id"))
        named = self.services.operations.clients(sid=sid, user_id=user_id, limit=SEARCHED)
        if request.method in READING:
            return self.page(
                "disconnect_clients", named=named, sid=sid, user_id=user_id, reason=DEFAULT_REASON
            )
        reason = reason_given(request.form)
        target = f"connection:{sid}" if sid else f"user:{user_id}"
        command = Command(Action.KICK, sid=sid, user_id=user_id, reason=reason)
        closed = self.act(
            "connections.disconnect",
            target,
            lambda: self.services.operations.kick(command),
            lambda number: f"{number} ordered to close; {reason}",
        )
        return self.done(_told(closed), "connections.index", q=user_id)


def search(services: Services, query: str, total: int) -> Found:
    """Newest first: by user id (a whole number), or by part of name, channel, address, role or connection."""
    if not query:
        rows = services.operations.clients(limit=SHOWN)
        return Found(rows, total, False)
    newest = services.operations.clients(limit=SEARCHED)
    matching = {row.sid: row for row in newest if _matches(row, query)}
    if query.isascii() and query.isdigit() and len(query) < 20:
        matching |= {row.sid: row for row in services.operations.clients(user_id=int(query), limit=SHOWN)}
    return Found(list(matching.values())[:SHOWN], len(matching), total > len(newest))


def _matches(row: ConnectionRecord, query: str) -> bool:
    if query.isascii() and query.isdigit():
        return row.user_id == int(query) or row.sid.startswith(query)
    wanted = query.casefold()
    texts = (row.name, row.role, row.address, row.sid, *row.channels)
    return any(text is not None and wanted in text.casefold() for text in texts)


def _named(sid: str | None, user_id: str | None) -> tuple[str | None, int | None]:
    if sid and not user_id:
        return sid[:100], None
    if user_id and not sid and user_id.isascii() and user_id.isdigit() and len(user_id) < 20:
        return None, int(user_id)
    raise InvalidField("sid", "Name either one connection (sid) or one user (user_id).")


def _told(closed: int) -> str:
    if closed == 0:
        return "Nothing to close: the connection had already ended."
    return f"{figures.number_of(closed, 'connection')} ordered to close."
