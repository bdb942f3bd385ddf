"""What stays of a handshake request: the environ that Flask makes each event's request context from.

A WSGI environ is a dictionary of 3 KB, most of it the same for every browser, and holds the HTTP handler and
its buffers. Kept are what tells one client from another, and the rest as one object for all clients that
share it. `environ()` makes the dictionary anew for each event, in a microsecond or two.
"""

import io
import sys
from collections.abc import Iterator

OPENED = "engine.opened"
"""When the transport was opened, as Unix seconds: before its client could say anything on it."""
# The handshake's own objects must not outlive it; the rest says nothing about the client.
_DROPPED = frozenset(
    ("wsgi.websocket", "wsgi.input", "wsgi.errors", "gunicorn.sock", "engine.full", "RAW_URI")
)
_HANDSHAKE_HEADERS = frozenset((
    "HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_VERSION",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS",
))  # fmt: skip
# What differs from client to client; all else is the same for everybody with that browser on that page.
_PERSONAL = frozenset((
    "REMOTE_PORT", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP",
    "HTTP_X_REQUEST_ID",
))  # fmt: skip
_REPEATED = frozenset(("REMOTE_ADDR", "QUERY_STRING"))  # personal too, and often equal: one copy each
_PLAIN = frozenset((str, bool, int))  # an object may be of this request, and must not outlive its client
# Browsers make a few dozen; a client that varies its headers on purpose shares nothing, and a request with
# long ones is not worth remembering.
_MAX_SHAPES = 1_000
_MAX_SHARED = 4_096  # characters
_SESSION = "saved_session"  # where Flask-SocketIO keeps a managed session


class Environ(dict):
    """One event's environ; what a handler or Flask-SocketIO keeps in it, it finds there at the next event."""

    __slots__ = ("_kept",)

    def __init__(self, values: dict, kept: "KeptEnviron") -> None:
        super().__init__(values)
        self._kept = kept

    def __setitem__(self, key: str, value: object) -> None:
        super().__setitem__(key, value)
        if not key.startswith("werkzeug."):  # those are of one request
            self._kept.keep(key, value)


class Shape:
    """What many clients have in common: the names of what is their own, and the rest with its values."""

    __slots__ = ("own", "shared")

    def __init__(self, own: tuple[str, ...], shared: dict[str, object]) -> None:
        self.own = own
        self.shared = shared


class KeptEnviron:
    """The environ of one transport, at rest."""

    __slots__ = ("_added", "_shape", "_values")

    def __init__(self, shape: Shape, values: tuple[object, ...]) -> None:
        self._shape = shape
        self._values = values
        self._added: dict[str, object] | None = None

    def get(self, name: str, default: object = None) -> object:
        """One value, without making the dictionary."""
        if self._added is not None and name in self._added:
            return self._added[name]
        own = self._shape.own
        return self._values[own.index(name)] if name in own else self._shape.shared.get(name, default)

    def environ(self) -> Environ:
        values = dict(self._shape.shared)
        values.update(zip(self._shape.own, self._values, strict=True))
        values["wsgi.input"] = io.BytesIO()
        values["wsgi.errors"] = sys.stderr
        if self._added is not None:
            values.update(self._added)
        return Environ(values, self)

    def keep(self, name: str, value: object) -> None:
        if name == _SESSION and not value and not self.get("HTTP_COOKIE"):
            return  # empty, and made empty again from the same request
        if self._added is None:
            self._added = {}
        self._added[name] = value


class Keeper:
    """Makes kept environs, and knows the shapes it has seen."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[object, ...], Shape] = {}

    def keep(self, environ: dict) -> KeptEnviron:
        own: dict[str, object] = {}
        shared: dict[str, object] = {}
        for name, value in environ.items():
            if name in _DROPPED or name in _HANDSHAKE_HEADERS:
                continue
            if name in _REPEATED and type(value) is str:
                own[name] = sys.intern(value)
            elif name in _PERSONAL or type(value) not in _PLAIN:
                own[name] = value
            else:
                shared[name] = value
        return KeptEnviron(self._shape(tuple(own), shared), tuple(own.values()))

    def _shape(self, own: tuple[str, ...], shared: dict[str, object]) -> Shape:
        key = (own, *shared.items())
        found = self._shapes.get(key)
        if found is None:
            found = Shape(own, shared)
            if len(self._shapes) < _MAX_SHAPES and sum(_lengths(shared)) <= _MAX_SHARED:
                self._shapes[key] = found
        return found


def _lengths(values: dict[str, object]) -> Iterator[int]:
    return (len(name) + len(str(value)) for name, value in values.items())
