"""Whether a connection is one of those that a search asks for."""

from mechamap.domain.searching import Search

from .connection import Connection
from .protocol import Buffered


def matches(connection: Connection, search: Search, wanted: str, now: float, queued: Buffered | None) -> bool:
    """The cheap questions first."""
    if search.transport and connection.transport != search.transport:
        return False
    if search.dialect is not None and connection.dialect is not search.dialect:
        return False
    if search.kind is not None and connection.kind is not search.kind:
        return False
    if search.min_age and now - connection.connected_at < search.min_age:
        return False
    if search.min_queued and (queued is None or queued.bytes < search.min_queued):
        return False
    if search.address and search.address not in (connection.address or ""):
        return False
    if search.token and not connection.came_with(search.token):
        return False
    if search.channel and not _has(connection, search.channel.casefold()):
        return False
    return not wanted or _mentions(connection, wanted)


def _has(connection: Connection, wanted: str) -> bool:
    return any(wanted in name.casefold() for name in (*connection.spellings, *connection.canonicals))


def _mentions(connection: Connection, wanted: str) -> bool:
    if wanted.isascii() and wanted.isdigit():
        return str(connection.user_id) == wanted or connection.sid.startswith(wanted)
    texts = (connection.name, connection.role, connection.address, connection.sid, *connection.spellings)
    return any(text is not None and wanted in text.casefold() for text in texts)
