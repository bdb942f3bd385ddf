"""Live connections: find them on all workers, a page at a time, and close one or all of a user."""

from dataclasses import dataclass, replace
from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.commands import Action, Command
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import InvalidField, RealtimeError, Unavailable
from mechamap.domain.identity import TokenKind
from mechamap.domain.searching import Order, Search, read_search, shown_place
from mechamap.hub.inspections import ConnectionsFound
from mechamap.services import Services

from . import figures
from .gate import LiveView
from .permissions import READING, Permission, needs
from .reasons import DEFAULT_REASON, reason_given
from .snapshot import Snapshot, take

NAMED = 2000
"""Connections of one user looked at before they are closed."""
SHOWN = 50
"""Connections of a page."""
FIELDS = (
    "q",
    "user_id",
    "address",
    "channel",
    "worker",
    "transport",
    "dialect",
    "kind",
    "age",
    "queue",
    "order",
)
"""What the form of the search sends."""
TRANSPORTS = ("websocket", "polling")


@dataclass(frozen=True, slots=True)
class Result:
    """What the search came to; ``error`` instead of anything where it cannot be meant."""

    found: ConnectionsFound | None
    error: InvalidField | None = None
    problem: Unavailable | None = None


class Connections(LiveView):
    permission = Permission.VIEW
    fragments = ("problem", "connections")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Connections", endpoint="connections", url="connections")

    def facts(self) -> dict[str, Any]:
        asked = {name: value for name in (*FIELDS, "after") if (value := request.args.get(name, "").strip())}
        snapshot = take(self.services)
        result = self._search(asked, snapshot)
        if result.problem is not None:
            snapshot = replace(snapshot, totals=None, workers=[], channels=[], problem=result.problem)
        found = result.found
        form = {name: value for name, value in asked.items() if name != "after"}
        narrowed = {name: value for name, value in form.items() if name != "order"}
        return {
            "snapshot": snapshot,
            "found": found,
            "error": result.error,
            "asked": asked,
            "form": form,
            "narrowed": narrowed,
            "more_fields": narrowed.keys() - {"q"},
            "later": {**form, "after": shown_place(found.after)} if found and found.after else None,
            "slots": {worker.id: worker.slot for worker in snapshot.workers},
            "choices": {
                "transport": TRANSPORTS,
                "dialect": [dialect.value for dialect in Dialect],
                "kind": [kind.value for kind in TokenKind],
                "order": [order.value for order in Order],
            },
            "live_query": asked,
            "demo": self.services.settings.demo,
        }

    def _search(self, asked: dict[str, str], snapshot: Snapshot) -> Result:
        if snapshot.problem is not None:
            return Result(None)
        try:
            search = read_search(asked, SHOWN)
            search = replace(search, worker=_worker_id(search, snapshot))
            return Result(self.services.operations.find(search))
        except InvalidField as err:
            return Result(None, error=err)
        except Unavailable as err:
            return Result(None, problem=err)

    @expose("/")
    def index(self) -> Response:
        facts = self.facts()
        return self.page("connections", 200 if facts["error"] is None else 422, **facts)

    @expose("/disconnect", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.CONNECTION_CLOSE)
    def disconnect(self) -> Any:
        """Ask first (GET), then close (POST): one connection by ``sid`` or all of ``user_id``."""
        sid, user_id = _named(request.values.get("sid"), request.values.get("user_id"))
        named = self.services.operations.clients(sid=sid, user_id=user_id, limit=NAMED)
        if request.method in READING:
            return self.page(
                "disconnect_clients", named=named, sid=sid, user_id=user_id, reason=DEFAULT_REASON
            )
        reason = reason_given(request.form)
        target = f"connection:{sid}" if sid else f"user:{user_id}"
        command = Command(Action.KICK, sid=sid, user_id=user_id, reason=reason)
        closed = self.act(
            target,
            lambda: self.services.operations.kick(command),
            lambda number: f"{number} ordered to close; {reason}",
        )
        return self.done(told(closed), "connections.index", q=user_id)


class Blocks(LiveView):
    """Users who are kept out for a time. Reached from the connections; not in the menu."""

    permission = Permission.VIEW
    fragments = ("problem", "blocks")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Blocked users", endpoint="blocks", url="blocks")

    def is_visible(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        blocks, problem = [], None
        try:
            blocks = self.services.blocklist.live()
        except Unavailable as err:
            problem = err
        return {
            "snapshot": take(self.services),
            "blocks": blocks,
            "db_problem": problem,
            "zone": self.services.settings.app_timezone,
        }

    @expose("/")
    def index(self) -> Response:
        return self.page("blocks", **self.facts())

    @expose("/block", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.USER_BLOCK)
    def block(self) -> Any:
        """Show whom it concerns and for how long (GET), then close and keep out (POST)."""
        text = request.values.get("user_id", "").strip()
        if request.method in READING and not text:
            return self._form(None, None)
        try:
            _, user_id = _named(None, text)
        except InvalidField as err:
            told = InvalidField("user_id", "The user's id is a whole number.", code=err.code)
            return self._form(None, told, text)
        if request.method in READING:
            return self._form(user_id, None)
        try:
            reason = reason_given(request.form)
            seconds = _seconds(request.form.get("minutes", ""))
            record, closed = self.act(
                f"user:{user_id}",
                lambda: self.services.blocklist.block(
                    user_id, seconds, reason, self.actor, self.services.operations.kick
                ),
                lambda done: (
                    f"until {done[0].until:%Y-%m-%d %H:%M:%S} UTC; {done[1]} ordered to close; {reason}"
                ),
            )
        except InvalidField as err:
            return self._form(user_id, err)
        until = figures.filters(self.services.settings.app_timezone)["moment"](record.until)
        number = figures.number_of(closed, "connection")
        return self.done(
            f"User {user_id} is kept out until {until}; {number} ordered to close.", "blocks.index"
        )

    @expose("/unblock", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.USER_UNBLOCK)
    def unblock(self) -> Any:
        """Ask first (GET), then let the user in again (POST)."""
        _, user_id = _named(None, request.values.get("user_id"))
        if request.method in READING:
            return self.page("unblock", user_id=user_id)
        self.act(
            f"user:{user_id}",
            lambda: self.services.blocklist.unblock(user_id, self.services.operations.kick),
            lambda _: "",
        )
        return self.done(f"User {user_id} may connect again.", "blocks.index")

    def _form(self, user_id: int | None, error: RealtimeError | None, typed: str = "") -> Response:
        operations = self.services.operations
        named = operations.clients(user_id=user_id, limit=NAMED) if user_id is not None else []
        return self.page(
            "block",
            error.http_status if error is not None else 200,
            user_id=user_id,
            typed=typed[:19],
            named=named,
            error=error,
            minutes=request.values.get("minutes", "60"),
            reason=request.values.get("reason", "An operator blocked this account for a time."),
        )


def _worker_id(search: Search, snapshot: Snapshot) -> str:
    """The id of the worker that the form names by its slot, as the lists show it."""
    if not search.worker.isdigit():
        return search.worker
    slots = [worker.id for worker in snapshot.workers if worker.slot == int(search.worker)]
    if not slots:
        raise InvalidField("worker", f"No worker has the slot {search.worker}.")
    return slots[0]


def _named(sid: str | None, user_id: str | None) -> tuple[str | None, int | None]:
    if sid and not user_id:
        return sid[:100], None
    if user_id and not sid and user_id.isascii() and user_id.isdigit() and 0 < int(user_id[:20]) < 2**63:
        return None, int(user_id)
    raise InvalidField("sid", "Name either one connection (sid) or one user (user_id).")


def _seconds(minutes: str) -> int:
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 10):
        raise InvalidField("minutes", "Minutes must be a whole number.")
    return int(minutes) * 60


def told(closed: int) -> str:
    """How many were ordered to close, in a sentence."""
    if closed == 0:
        return "Nothing to close: the connection had already ended."
    return f"{figures.number_of(closed, 'connection')} ordered to close."
