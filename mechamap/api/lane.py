"""The lane in front of Flask for the two requests that come thousands of times: a plain ``POST`` to
``/api/broadcast`` and to ``/api/broadcast/batch``.

A Flask request costs several times what the broadcast itself does (contexts, session, routing, response
object). The lane takes only the common form (POST, one of these paths, a Content-Length within the limit, no
Origin) and answers with the same functions, headers and bytes as the blueprint; everything else goes on to
Flask. ``tests/api/test_lane.py`` compares the two in every kind of answer.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from mechamap import logs
from mechamap.domain.errors import RealtimeError
from mechamap.edge import errors, requests
from mechamap.edge.proxies import WsgiApp

from .broadcasting import Answer, Broadcasts, encode

_STATUS_LINES = {status: f"{status} {name.upper()}" for status, name in HTTP_STATUS_CODES.items()}

Accept = Callable[[dict[str, Any], str | None, bytes], Answer]
Response = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers, body."""


class BroadcastLane:
    """WSGI middleware; inside ``TrustedProxies``, so the address is the caller's own."""

    def __init__(self, app: WsgiApp, broadcasts: Broadcasts, *, max_body: int, tls: bool,
                 seen: Callable[[str, int, float], None]) -> None:  # fmt: skip
        self._app = app
        self._max_body = max_body
        self._seen = seen
        self.paths: dict[str, tuple[str, Accept]] = {
            "/api/broadcast": ("broadcast.broadcast", broadcasts.accept),
            "/api/broadcast/batch": ("broadcast.batch", broadcasts.accept_batch),
        }
        """Path → the blueprint's endpoint, and what accepts the body."""
        self._plain = requests.security_headers(tls)
        self._secure = requests.security_headers(True)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self.respond(environ, lambda: environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        if response is None:
            return self._app(environ, start_response)
        status, headers, body = response
        start_response(status, headers)
        return [body]

    def respond(self, environ: dict[str, Any], read: Callable[[], bytes]) -> Response | None:
        """The answer, or None to a request for Flask; ``read`` gives the body."""
        lane = self.paths.get(environ.get("PATH_INFO"))
        if lane is None or not self._takes(environ):
            return None
        begun = time.perf_counter()
        endpoint, accept = lane
        path, address = environ["PATH_INFO"], environ.get("REMOTE_ADDR")
        request_id = requests.request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        token = logs.request_id.set(request_id)
        try:
            status, answer, extra = self._answer(accept, environ, address, path, read)
            body = encode(answer)
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                *extra.items(),
                ("X-Request-ID", request_id),
                *(self._secure if environ.get("wsgi.url_scheme") == "https" else self._plain),
            ]
            self._seen(endpoint, status, time.perf_counter() - begun)
            requests.log_request("POST", path, status, address, begun)
        finally:
            logs.request_id.reset(token)
        return _STATUS_LINES[status], headers, body

    def _takes(self, environ: dict[str, Any]) -> bool:
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ.get("REQUEST_METHOD") == "POST"
            and "HTTP_ORIGIN" not in environ
            and "HTTP_TRANSFER_ENCODING" not in environ
            and length.isascii()
            and length.isdigit()
            and int(length) <= self._max_body
        )

    def _answer(
        self,
        accept: Accept,
        environ: dict[str, Any],
        address: str | None,
        path: str,
        read: Callable[[], bytes],
    ) -> tuple[int, Answer, dict[str, str]]:
        try:
            return 200, accept(environ, address, read()), {}
        except RealtimeError as err:
            return errors.refusal(err)
        except Exception as err:
            return errors.defect(err, path)


class ExpressLane:
    """The lane without WSGI, as the engine's ``Express`` asks for it."""

    def __init__(self, lane: BroadcastLane, resolve: Callable[[dict[str, Any]], None]) -> None:
        """``resolve`` puts the client's own address and scheme into an environ: ``TrustedProxies``."""
        self._lane = lane
        self._resolve = resolve
        self.paths = lane.paths

    def answer(
        self, path: str, variables: Mapping[str, str], body: bytes, peer: str, scheme: str
    ) -> Response | None:
        environ = {
            **variables,
            "REQUEST_METHOD": "POST", "PATH_INFO": path, "REMOTE_ADDR": peer, "wsgi.url_scheme": scheme,
        }  # fmt: skip
        self._resolve(environ)
        return self._lane.respond(environ, lambda: body)
