"""What stays of a handshake request: the environ that Flask makes each event's request context from.

A WSGI environ is a dictionary of 3 KB, most of it the same for every browser, and holds the HTTP handler and
its buffers. Kept are two tuples: the names, one tuple for all requests of the same shape, and the values,
equal strings shared. `environ()` makes the dictionary anew for each event, in a microsecond or two.
"""

import io
import sys

# The handshake's own objects must not outlive it; the rest says nothing about the client.
_DROPPED = frozenset(
    ("wsgi.websocket", "wsgi.input", "wsgi.errors", "gunicorn.sock", "engine.full", "RAW_URI")
)
_HANDSHAKE_HEADERS = frozenset((
    "HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_VERSION",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS",
))  # fmt: skip
_MAX_SHAPES = 1_000  # browsers make a few dozen; a client that varies its headers on purpose shares nothing
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


class KeptEnviron:
    """The environ of one transport, at rest."""

    __slots__ = ("_added", "_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[object, ...]) -> None:
        self._names = names
        self._values = values
        self._added: dict[str, object] | None = None

    def get(self, name: str, default: object = None) -> object:
        """One value, without making the dictionary."""
        if self._added is not None and name in self._added:
            return self._added[name]
        return self._values[self._names.index(name)] if name in self._names else default

    def environ(self) -> Environ:
        values = dict(zip(self._names, self._values, strict=True))
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
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def keep(self, environ: dict) -> KeptEnviron:
        kept = {k: v for k, v in environ.items() if k not in _DROPPED and k not in _HANDSHAKE_HEADERS}
        names = tuple(kept)
        if len(self._shapes) < _MAX_SHAPES:
            names = self._shapes.setdefault(names, names)
        else:
            names = self._shapes.get(names, names)
        return KeptEnviron(names, tuple(sys.intern(v) if type(v) is str else v for v in kept.values()))
