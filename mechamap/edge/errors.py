"""Errors as HTTP answers: one JSON shape for machines, a plain page for people, never a traceback."""

import logging
import secrets

import msgspec
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from mechamap.domain.errors import PayloadTooLarge, RealtimeError

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Install the handlers for our errors, HTTP's own, and defects."""
    app.register_error_handler(RealtimeError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _defect)


Body = dict[str, object]


def refusal(error: RealtimeError) -> tuple[int, Body, dict[str, str]]:
    """(status, JSON body, extra headers) that tell a refusal."""
    details = error.details()
    headers = {}
    if "retryAfter" in details:
        headers["Retry-After"] = str(details["retryAfter"])
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return error.http_status, _body(error.message, error.code, details), headers


def defect(error: Exception, path: str) -> tuple[int, Body, dict[str, str]]:
    """The same for a defect of ours: an incident id that the log has too, and nothing else."""
    incident = secrets.token_hex(6)
    log.error("request_failed", exc_info=error, extra={"incident": incident, "path": path[:200]})
    return 500, _body("Internal error", "internal_error", {"incident": incident}), {}


def _body(message: str, code: str, details: Body) -> Body:
    return {"success": False, "error": message, "message": message, "code": code, **details}


def _ours(error: RealtimeError) -> tuple[Response | str, int, dict[str, str]]:
    status, body, headers = refusal(error)
    return _answer(body, status), status, headers


def _http(error: HTTPException) -> Response | tuple[Response | str, int, dict[str, str]]:
    if isinstance(error, RequestEntityTooLarge):
        return _ours(PayloadTooLarge("body", request.content_length or 0, request.max_content_length or 0))
    if error.code is None or error.code < 400:
        return error.get_response()  # redirects
    code = error.name.lower().replace(" ", "_")
    allow = {"Allow": ", ".join(sorted(error.valid_methods))} if getattr(error, "valid_methods", None) else {}
    return _answer(_body(error.description or error.name, code, {}), error.code), error.code, allow


def _defect(error: Exception) -> tuple[Response | str, int, dict[str, str]]:
    status, body, headers = defect(error, request.path)
    return _answer(body, status), status, headers


def _answer(body: Body, status: int) -> Response | str:
    offered = ["application/json", "text/html"]
    if request.path.startswith("/admin") and request.accept_mimetypes.best_match(offered) == "text/html":
        return render_template("error.html", message=body["message"], status=status, code=body["code"])
    return Response(msgspec.json.encode(body), content_type="application/json")
