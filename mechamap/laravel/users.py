"""What Laravel says of a token: the answer of ``POST /api/websocket-api/verify-user``, in all its shapes."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_ID = 2**63 - 1
MAX_NAME, MAX_ROLE = 255, 100
"""Characters, as Laravel's columns have them."""
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class LaravelUser:
    """A person as Laravel described them.

    Attributes:
        active: False where the answer says that the user may not sign in.
        expires_at: Unix seconds at which the token ends, where the answer says so.
    """

    user_id: int
    name: str | None
    role: str | None
    active: bool = True
    expires_at: float | None = None


def read_user(body: bytes) -> LaravelUser | None:
    """The ``user`` of ``{user}``, ``{data: {user}}`` or ``{data: {data: {user}}}`` (the application's own
    middleware wraps it once more); None where there is none, or where any level says ``success: false``."""
    try:
        level = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for _ in range(_DEPTH):
        if not isinstance(level, dict) or level.get("success", True) is not True:
            return None
        user = level.get("user")
        if isinstance(user, dict):
            return _user(user, level)
        level = level.get("data")
    return None


def blames_key(body: bytes) -> bool:
    """Whether a refusal is about our own key, not about the token it was asked of."""
    text = body[:2_000].lower()
    return b"api key" in text or b"api_key" in text or b"api-key" in text


def _user(user: dict[str, Any], beside: dict[str, Any]) -> LaravelUser | None:
    user_id = user.get("id")
    if isinstance(user_id, str) and user_id.isascii() and user_id.isdigit() and len(user_id) <= 19:
        user_id = int(user_id)
    if not isinstance(user_id, int) or isinstance(user_id, bool) or not 0 < user_id <= MAX_ID:
        return None
    end = user.get("expires_at", beside.get("expires_at"))
    expires_at = _moment(end)
    if end is not None and expires_at is None:
        return None  # a token whose end cannot be read proves nothing
    return LaravelUser(
        user_id,
        _text(user.get("name"), MAX_NAME),
        _text(user.get("role"), MAX_ROLE),
        _active(user),
        expires_at,
    )


def _active(user: dict[str, Any]) -> bool:
    """What the answer says of it is believed, however it is called; to be silent is to have been let in."""
    return (
        user.get("is_active", True) in (True, 1)
        and user.get("status", "active") == "active"
        and user.get("is_banned", False) in (False, 0, None)
        and user.get("banned_at") is None
    )


def _text(value: object, most: int) -> str | None:
    return value[:most] if isinstance(value, str) and value else None


def _moment(value: object) -> float | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment.timestamp() if moment.tzinfo is not None else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e11:
        return float(value)
    return None
