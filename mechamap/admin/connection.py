"""One connection: who it is, what it has, what waits for it, what it was to be sent; revoking its token."""

from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, NotFound, Unavailable
from mechamap.domain.searching import Search
from mechamap.hub.inspections import LAST_EVENTS, MOST_CHANNELS, ConnectionSeen
from mechamap.services import Services

from . import figures
from .gate import LiveView
from .permissions import READING, Permission, needs
from .snapshot import take


class Connection(LiveView):
    """Reached from the list; not in the menu."""

    permission = Permission.VIEW
    fragments = ("problem", "connection")

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Connection", endpoint="connection", url="connection")

    def is_visible(self) -> bool:
        return False

    def facts(self) -> dict[str, Any]:
        sid = request.args.get("sid", "")
        snapshot, seen = take(self.services), None
        try:
            seen = self.services.operations.connection(sid[:100])
        except (NotFound, Unavailable):
            pass  # ended, or the snapshot tells why it cannot be asked
        settings = self.services.settings
        return {
            "snapshot": snapshot,
            "sid": sid,
            "seen": seen,
            "worker": next((w for w in snapshot.workers if seen and w.id == seen.record.worker), None),
            "window": settings.recovery_seconds,
            "most_events": LAST_EVENTS,
            "most_channels": MOST_CHANNELS,
            "live_query": {"sid": sid},
        }

    @expose("/")
    def index(self) -> Response:
        facts = self.facts()
        gone = facts["seen"] is None and facts["snapshot"].problem is None
        return self.page("connection", 404 if gone else 200, **facts)

    @expose("/revoke", methods=("GET", "POST"))
    @needs(Permission.OPERATE, Act.TOKEN_REVOKE)
    def revoke(self) -> Any:
        """Show how many connections came with this one's token (GET), then revoke it and close them."""
        operations, revoking = self.services.operations, self.services.revoking
        seen = operations.connection(_sid())
        ref = _ref(seen)
        if request.method in READING:
            named = operations.find(Search(token=ref, limit=10))
            return self.page("revoke_token", seen=seen, ref=ref, named=named)
        record = seen.record
        closed = self.act(
            f"token:{ref}",
            lambda: revoking.ref(ref, record.expires_at, record.user_id, operations.kick),
            lambda number: f"of user {record.user_id}; {number} ordered to close",
        )
        number = figures.number_of(closed, "connection")
        return self.done(
            f"The token {ref} opens nothing any more; {number} ordered to close.", "connections.index"
        )


def _sid() -> str:
    """
    Raises:
        InvalidField: none is named.
    """
    sid = request.values.get("sid", "")
    if not 0 < len(sid) <= 100:
        raise InvalidField("sid", "Name the connection (sid).")
    return sid


def _ref(seen: ConnectionSeen) -> str:
    """
    Raises:
        NotFound: there is no token to revoke.
        Unavailable: its worker does not answer.
    """
    if seen.full is None:
        raise Unavailable("The connection's worker does not answer.", code="worker_silent")
    if not seen.full.token:
        raise NotFound("A guest has no token.", code="token_missing")
    return seen.full.token
