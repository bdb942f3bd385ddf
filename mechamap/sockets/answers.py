"""Errors as browsers see them: the plan's texts, beside a stable code and one sentence."""

import logging
import secrets

from mechamap.domain.errors import Forbidden, InvalidChannel, RateLimited, RealtimeError, Unavailable

log = logging.getLogger(__name__)

Answer = dict[str, object]


def plan_text(error: RealtimeError) -> str:
    """The ``error`` text of the plan for an error of ours."""
    if error.code == "channel_required":
        return "Channel is required"
    match error:
        case Forbidden() | InvalidChannel():
            return "Unauthorized"
        case Unavailable():
            return "Service unavailable"
        case RateLimited():
            return "Too many requests"
    return error.message


def failure(error: RealtimeError) -> Answer:
    """The common part of every refusal."""
    return {"error": plan_text(error), "code": error.code, "message": error.message, **error.details()}


def status_of(error: RealtimeError) -> int:
    """What Laravel Echo's pages get as the status of a refused subscription: Laravel's for such a case, which
    knows no difference between a channel that is not and one that is not theirs."""
    return Forbidden.http_status if isinstance(error, InvalidChannel) else error.http_status


def internal_error(event: str) -> Answer:
    """What a client is told of a defect: an incident id that the log holds too, and nothing else. Call it
    inside ``except``."""
    incident = secrets.token_hex(6)
    log.exception("handler_failed", extra={"event": event, "incident": incident})
    return {
        "error": "Internal error",
        "code": "internal_error",
        "message": "Internal error",
        "incident": incident,
    }
