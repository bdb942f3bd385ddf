"""The lane in front of Flask for the one request that comes thousands of times: a plain ``POST
/api/broadcast``.

A Flask request costs several times what the broadcast itself does (contexts, session, routing, response
object). The lane takes only the common form (POST, this path, a Content-Length within the limit, no Origin)
and answers with the same functions, headers and bytes as the blueprint; everything else goes on to Flask.
``tests/api/test_lane.py`` compares the two in every kind of answer.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from mechamap import logs
from mechamap.domain.errors import RealtimeError
from mechamap.edge import errors, requests
from mechamap.edge.proxies import WsgiApp

from .broadcasting import Answer, Broadcasts, encode

log = logging.getLogger(__name__)

PATH = "/api/broadcast"
ENDPOINT = "broadcast.broadcast"


class BroadcastLane:
    """WSGI middleware; inside ``TrustedProxies``, so the address is the caller's own."""

    def __init__(self, app: WsgiApp, broadcasts: Broadcasts, *, max_body: int, tls: bool,
                 seen: Callable[[str, int], None]) -> None:  # fmt: skip
        self._app = app
        self._broadcasts = broadcasts
        self._max_body = max_body
        self._tls = tls
        self._seen = seen

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH or not self._takes(environ):
            return self._app(environ, start_response)
        begun = time.perf_counter()
        request_id = requests.request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        logs.request_id.set(request_id)
        address = environ.get("REMOTE_ADDR")
        status, answer, extra = self._answer(environ, address)
        body = encode(answer)
        secure = self._tls or environ.get("wsgi.url_scheme") == "https"
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *extra.items(),
            ("X-Request-ID", request_id),
            *requests.security_headers(secure),
        ]
        self._seen(ENDPOINT, status)
        requests.log_request("POST", PATH, status, address, begun)
        start_response(f"{status} {HTTP_STATUS_CODES[status].upper()}", headers)
        return [body]

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

    def _answer(self, environ: dict[str, Any], address: str | None) -> tuple[int, Answer, dict[str, str]]:
        try:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            return 200, self._broadcasts.accept(environ, address, body), {}
        except RealtimeError as err:
            return errors.refusal(err)
        except Exception as err:
            return errors.defect(err, PATH)
