"""Laravel's answer to ``/broadcasting/auth``, judged: what is not clearly a yes is a no.

A 200 alone says nothing: with its ``log`` and ``null`` drivers Laravel answers it, empty, to everybody and
for every channel, and behind a redirect stands the HTML of a login page.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .client import Answer, Body

_DENIALS = frozenset({401, 403, 404, 419})
_BODIES = {
    Body.EMPTY: ("auth_empty", "Laravel's answer is empty: its broadcast driver is log or null."),
    Body.HTML: ("auth_html", "Laravel answered with a web page."),
    Body.HUGE: ("auth_huge", "Laravel's answer is too long."),
}


class Outcome(StrEnum):
    """DENIED: for now and this person. FAILED: no verdict; the same question may be answered later. SIGNED:
    allowed if the signature is."""

    ALLOWED = "allowed"
    SIGNED = "signed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answer comes to.

    Attributes:
        code: stable reason; ``allowed`` for ALLOWED.
        reason: one sentence.
        member: the id of the person, where Laravel told it.
        auth, channel_data: of SIGNED, as Pusher's driver gives them.
    """

    outcome: Outcome
    code: str
    reason: str
    member: str | None = None
    auth: str = ""
    channel_data: str | None = None


def read_verdict(answer: Answer) -> Verdict:
    """The verdict on a private or presence channel."""
    status = answer.status
    if status != 200:
        return _other_status(status)
    if answer.kind in _BODIES:
        return Verdict(Outcome.DENIED, *_BODIES[answer.kind])
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return _unreadable("Laravel's answer is not JSON.")
    if said is True:
        return Verdict(Outcome.ALLOWED, "allowed", "Laravel allows it.")
    if not isinstance(said, dict):
        return _unreadable("Laravel's answer is neither true nor an object.")
    if "auth" in said:
        return _signed(said)
    member = _member(said["channel_data"]) if "channel_data" in said else _id(said.get("user_id"))
    if member is None:
        return _unreadable("Laravel's answer names no member.")
    return Verdict(Outcome.ALLOWED, "allowed", "Laravel allows it.", member)


def _other_status(status: int) -> Verdict:
    if 300 <= status < 400:
        return Verdict(Outcome.DENIED, "auth_redirect", f"Laravel redirects ({status}) instead of deciding.")
    if status == 429:
        return Verdict(Outcome.FAILED, "auth_rate_limited", "Laravel is asked too often.")
    if status >= 500:
        return Verdict(Outcome.FAILED, "auth_server_error", f"Laravel failed ({status}).")
    if status in _DENIALS:
        return Verdict(Outcome.DENIED, f"auth_denied_{status}", f"Laravel refuses it ({status}).")
    return Verdict(Outcome.DENIED, "auth_denied", f"Laravel answered {status}.")


def _signed(said: dict[str, Any]) -> Verdict:
    auth, data = said["auth"], said.get("channel_data")
    if not isinstance(auth, str) or not auth or not (data is None or isinstance(data, str)):
        return _unreadable("Laravel's signature is not one.")
    return Verdict(Outcome.SIGNED, "allowed", "Laravel signed it.", auth=auth, channel_data=data)


def member_of(channel_data: str | None) -> str | None:
    """The id in a text of ``{user_id, user_info}``; None if there is none."""
    try:
        return _member(json.loads(channel_data)) if channel_data is not None else None
    except (ValueError, RecursionError):
        return None


def _member(data: object) -> str | None:
    if isinstance(data, str):
        return member_of(data)
    return _id(data.get("user_id")) if isinstance(data, dict) else None


def _id(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= 100 else None


def _unreadable(reason: str) -> Verdict:
    return Verdict(Outcome.DENIED, "auth_unreadable", reason)
