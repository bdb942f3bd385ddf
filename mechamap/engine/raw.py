"""Server: raw Engine.IO on this engine, a drop-in for python-engineio 4.15.1's Server.

`connect`, `message` and `disconnect` handlers, `send`, `disconnect`, `transport`, sessions and
`engineio.WSGIApp` work as documented. The messages of one client are handled in order, one at a time (stock
starts a thread for each), and `send` and `disconnect` never block.
"""

import inspect
import logging
from collections.abc import Callable

import engineio
from engineio import packet as eio

from .options import check_names, logger_of, refuse, take_limits
from .packets import EnginePacket
from .session import Session
from .strict_json import StrictJSON
from .transport import TransportServer

LOG = logging.getLogger(__name__)


class Server(TransportServer):
    """Options besides the stock ones: the fields of `reasons.Limits`, and `on_drop(sid, reason)`, called for
    a client that was closed because it could not keep up.
    """

    def __init__(self, *, on_drop: Callable[[str, str], None] | None = None, **options: object) -> None:
        refuse(options, "Server")
        check_names(options, "Server", [engineio.base_server.BaseServer], ())
        self._on_drop = on_drop
        self._json = options.pop("json", None) or StrictJSON  # stock sets it for the whole process
        limits = take_limits(options)
        logger = logger_of(options.pop("logger", False), "engineio")
        super().__init__(limits=limits, async_mode="gevent", logger=logger, **options)
        self.dropped = self._dropped

    def send(self, sid: str, data: str | bytes | list | dict) -> bool:
        """As documented; whether it was queued. ValueError for data that is not JSON."""
        text = self._json.dumps(data) if isinstance(data, list | dict) else data
        return self.send_packet(sid, EnginePacket(eio.MESSAGE, text))

    def message(self, session: Session, data: str | bytes) -> None:
        session.lane.add(lambda: self._hear(session, data))

    def ended(self, session: Session) -> None:
        handler = self.handlers.get("disconnect")
        if handler is None:
            return
        arguments = (session.sid, str(session.close_reason))
        try:
            handler(*arguments[: _arguments_of(handler)])
        except Exception:
            LOG.exception("disconnect_handler_failed")

    def _admit(self, session: Session, environ: dict) -> bytes | None:
        handler, answer = self.handlers.get("connect"), None
        try:
            answer = handler(session.sid, environ) if handler is not None else None
        except Exception:
            LOG.exception("connect_handler_failed")
            answer = False
        if answer is None or answer is True:
            return None
        return self._json.dumps(answer or "Unauthorized").encode()

    def _hear(self, session: Session, data: str | bytes) -> None:
        handler = self.handlers.get("message")
        if handler is not None:
            handler(session.sid, self._decoded(data))

    def _decoded(self, data: str | bytes) -> object:
        """Text that is JSON arrives decoded, as stock has it, unless it begins like a number."""
        if not isinstance(data, str) or not data or data[0].isnumeric():
            return data
        try:
            return self._json.loads(data)
        except ValueError:
            return data

    def _dropped(self, session: Session, reason: str) -> None:
        if self._on_drop is not None:
            self.start_background_task(self._on_drop, session.sid, str(reason))


def _arguments_of(handler: Callable) -> int:
    """2 where the handler takes a reason; 1 in the style before python-engineio 4.11."""
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        return 1
    return 2
