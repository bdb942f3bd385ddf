"""Errors as HTTP answers: one JSON shape for machines, a plain page for people, never a traceback."""

import logging
import secrets

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from mechamap.domain.errors import PayloadTooLarge, RealtimeError

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Install the handlers for our errors, HTTP's own, and defects."""
    app.register_error_handler(RealtimeError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _defect)


def _ours(error: RealtimeError) -> tuple[Response | str, int, dict[str, str]]:
    details = error.details()
    headers = {}
    if "retryAfter" in details:
        headers["Retry-After"] = str(details["retryAfter"])
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(error.message, error.code, error.http_status, details), error.http_status, headers


def _http(error: HTTPException) -> Response | tuple[Response | str, int, dict[str, str]]:
    if isinstance(error, RequestEntityTooLarge):
        return _ours(PayloadTooLarge("body", request.content_length or 0, request.max_content_length or 0))
    if error.code is None or error.code < 400:
        return error.get_response()  # redirects
    code = error.name.lower().replace(" ", "_")
    allow = {"Allow": ", ".join(sorted(error.valid_methods))} if getattr(error, "valid_methods", None) else {}
    return _answer(error.description or error.name, code, error.code, {}), error.code, allow


def _defect(error: Exception) -> tuple[Response | str, int, dict[str, str]]:
    incident = secrets.token_hex(6)
    log.error("request_failed", exc_info=error, extra={"incident": incident, "path": request.path[:200]})
    return _answer("Internal error", "internal_error", 500, {"incident": incident}), 500, {}


def _answer(message: str, code: str, status: int, details: dict[str, object]) -> Response | str:
    wants_page = (
        request.path.startswith("/admin")
        and request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    )
    if wants_page:
        return render_template("error.html", message=message, status=status, code=code)
    return jsonify({"success": False, "error": message, "message": message, "code": code, **details})
