"""The transport: WebSocket frames, Engine.IO sessions, Socket.IO rooms and the gunicorn worker.

A library of its own: it knows nothing of the application around it. Names load on first use, because
gunicorn's master imports `mechamap.engine.worker` and `mechamap.engine.slots` before gevent has patched the
standard library, and python-socketio must not be imported that early (it pulls in `ssl` users, which gevent
then warns about).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .environ import OPENED
    from .ids import new_id, slot_of
    from .inspection import Backlog, ConnectionInfo
    from .lateness import Lateness
    from .raw import Server
    from .reasons import Postponed
    from .rooms import RoomManager
    from .slots import current_slot
    from .socketio import SocketIO

_HOMES = {
    "SocketIO": ".socketio",
    "OPENED": ".environ",
    "Backlog": ".inspection",
    "ConnectionInfo": ".inspection",
    "Lateness": ".lateness",
    "RoomManager": ".rooms",
    "Postponed": ".reasons",
    "Server": ".raw",
    "current_slot": ".slots",
    "new_id": ".ids",
    "slot_of": ".ids",
}
__all__ = [
    "OPENED",
    "Backlog",
    "ConnectionInfo",
    "Lateness",
    "Postponed",
    "RoomManager",
    "Server",
    "SocketIO",
    "current_slot",
    "new_id",
    "slot_of",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
