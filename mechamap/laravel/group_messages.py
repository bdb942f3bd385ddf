"""Laravel stores a group's message: ``POST`` to the path of ``LARAVEL_GROUP_MESSAGE_PATH``."""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from mechamap.domain.errors import NotStored
from mechamap.domain.group_messages import GroupMessage

from .client import Answer, Body, LaravelClient, NoAnswer, Trouble

log = logging.getLogger(__name__)

_UNHEARD = frozenset({Trouble.PAUSED, Trouble.BUSY, Trouble.CERTIFICATE})
"""Laravel surely did not get the message."""
MAX_ID = 100


class LaravelGroupMessages:
    """Asks once for each message. Only a 2xx whose body is an object says that it is stored."""

    def __init__(self, client: LaravelClient, key: str) -> None:
        """``client``: for the address, made ``once``; ``key``: LARAVEL_API_KEY."""
        self._client = client
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-Requested-With": "XMLHttpRequest",
            "X-WebSocket-API-Key": key,
        }

    def store(self, group_id: int, user_id: int, message: GroupMessage) -> int | str | None:
        """Laravel's id of the stored message; None where it tells none.

        Raises:
            NotStored: it is not stored, or that cannot be told.
        """
        body = {
            "id": message.id,
            "group_id": group_id,
            "user_id": user_id,
            "message": message.text,
            "timestamp": message.sent_at,
        }
        about: dict[str, object] = {"group": group_id, "user": user_id}
        try:
            answer = self._client.post(
                json.dumps(body).encode(), {**self._headers, "Idempotency-Key": message.id}
            )
        except NoAnswer as err:
            log.warning("group_message_not_stored", extra={**about, "code": err.trouble.value})
            raise NotStored(
                "Laravel did not answer.",
                unknown=err.trouble not in _UNHEARD,
                retry_after=max(1, math.ceil(err.retry_after)),
            ) from None
        said = _object(answer)
        if 200 <= answer.status < 300 and said is not None and said.get("success", True) is True:
            log.info("group_message_stored", extra=about)
            return _id_in(said)
        log.warning(
            "group_message_not_stored", extra={**about, "status": answer.status, "body": answer.kind.value}
        )
        raise _refused(answer, said)


def _refused(answer: Answer, said: Mapping[str, Any] | None) -> NotStored:
    status = answer.status
    retry_after = math.ceil(answer.retry_after or 5.0) if status in (429, 503) else None
    if 200 <= status < 300 and said is None:
        return NotStored("Laravel's answer does not say that the message is stored.", unknown=True)
    # a Laravel that fails may have stored it before
    unknown = status >= 500 and status != 503
    return NotStored(f"Laravel answered {status}.", unknown=unknown, retry_after=retry_after)


def _object(answer: Answer) -> Mapping[str, Any] | None:
    """The body, if it is a JSON object."""
    if answer.kind is not Body.JSON:
        return None
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _id_in(said: Mapping[str, Any]) -> int | str | None:
    """The id in ``{id}``, ``{message: {id}}``, or either of them inside ``data``, as the application's
    middleware nests them."""
    level: Any = said
    for _ in range(3):
        if not isinstance(level, dict):
            return None
        for holder in (level, level.get("message")):
            found = holder.get("id") if isinstance(holder, dict) else None
            if isinstance(found, int) and not isinstance(found, bool):
                return found
            if isinstance(found, str) and 0 < len(found) <= MAX_ID:
                return found
        level = level.get("data")
    return None
