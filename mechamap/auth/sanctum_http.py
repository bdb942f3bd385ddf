"""Laravel Sanctum tokens, verified by asking Laravel: ``POST /api/websocket-api/verify-user``.

Laravel limits these questions (60 a minute from one address, in the application), so a verdict is remembered
under the whole digest of its token, and a good one in Redis too; and a token is asked for once, when its
connection begins. While the connection lasts it is not asked again: the application deletes a user's older
tokens with every page it serves, and a page that is open must outlive that, as it does where the database is
read.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable

from mechamap.domain.errors import AuthenticationFailed, Unavailable
from mechamap.laravel.client import Answer, Body, LaravelClient, NoAnswer
from mechamap.laravel.remembered import Remembered
from mechamap.laravel.shared import SharedUsers
from mechamap.laravel.users import LaravelUser, blames_key, read_user

from .sanctum import OPAQUE_LENGTH, VerifiedSanctum

log = logging.getLogger(__name__)

VERIFY_PATH = "/api/websocket-api/verify-user"
"""Behind the site's address."""
REFUSED_SECONDS = 30.0
"""How long a refusal is remembered. A refused token does not become good."""

_Verdict = LaravelUser | tuple[str, str]
"""A user, or the code of a refusal and its sentence."""


class SanctumByLaravel:
    """Verifies tokens of users.

    Args:
        client: for the address of verify-user.
        key: LARAVEL_API_KEY; None where Laravel asks for none.
        seconds: how long a good verdict is remembered; Laravel's taking back a token is noticed after that.
        shared: where all workers remember good ones, beyond a restart.
    """

    def __init__(
        self,
        client: LaravelClient,
        key: str | None,
        seconds: float,
        shared: SharedUsers | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-Requested-With": "XMLHttpRequest",
            **({"X-WebSocket-API-Key": key} if key is not None else {}),
        }
        self._seconds = seconds
        self._shared = shared
        self._clock = clock
        self._verdicts: Remembered[_Verdict] = Remembered()

    def verify(self, token: str) -> VerifiedSanctum:
        """The token's owner.

        Raises:
            AuthenticationFailed: Laravel refuses the token (``token_invalid``, ``token_malformed``,
                ``token_expired``), or its user (``user_inactive``).
            Unavailable: Laravel gave no verdict; the code begins ``verify_``. The same token may pass later.
        """
        if not _plausible(token):
            raise AuthenticationFailed("the token does not have Sanctum's form.", code="token_malformed")
        digest = hashlib.sha256(token.encode()).digest()
        verdict = self._verdicts.get(digest, lambda: self._judge(token, digest))
        if not isinstance(verdict, LaravelUser):
            code, reason = verdict
            raise AuthenticationFailed(reason, code=code)
        if verdict.expires_at is not None and verdict.expires_at <= self._clock():
            raise AuthenticationFailed("the token has expired.", code="token_expired")
        return VerifiedSanctum(
            verdict.user_id, verdict.expires_at, role=verdict.role, name=verdict.name, vouched=True
        )

    def _judge(self, token: str, digest: bytes) -> tuple[_Verdict, float]:
        """The verdict, and for how long it holds."""
        known = self._shared.find(digest) if self._shared is not None else None
        if known is not None:
            return known, self._seconds / 2  # how much of its time is left is not known
        verdict = self._ask(token)
        if not isinstance(verdict, LaravelUser):
            return verdict, REFUSED_SECONDS
        if self._shared is not None:
            self._shared.keep(digest, verdict, self._seconds)
        return verdict, self._seconds

    def _ask(self, token: str) -> _Verdict:
        try:
            answer = self.client.post(json.dumps({"token": token}).encode(), self._headers)
        except NoAnswer as err:
            raise _no_verdict(
                f"verify_{err.trouble.value}", "Laravel does not answer.", err.retry_after
            ) from None
        if answer.status in (400, 401, 403, 422) and answer.kind is Body.JSON:
            return _refusal(answer)
        if answer.status == 200:
            user = read_user(answer.body)
            if user is not None and user.active:
                return user
            if user is not None:
                return "user_inactive", "the user may not sign in."
            raise _no_verdict("verify_unreadable", "Laravel's answer names no user.", kind=answer.kind)
        code = "verify_rate_limited" if answer.status == 429 else f"verify_status_{_family(answer.status)}"
        raise _no_verdict(
            code, f"Laravel answered {answer.status}.", answer.retry_after or 2.0, answer.status, answer.kind
        )


def _plausible(token: str) -> bool:
    """Whether it could be one of Sanctum's: anything else is not worth one of the few questions."""
    row_id, bar, secret = token.partition("|")
    return len(secret if bar else token) >= OPAQUE_LENGTH and (not bar or row_id.isdigit())


def _refusal(answer: Answer) -> tuple[str, str]:
    if answer.status in (401, 403) and blames_key(answer.body):
        raise _no_verdict("verify_key_refused", "Laravel refuses LARAVEL_API_KEY.", 30.0, answer.status)
    if answer.status == 401:
        return "token_invalid", "Laravel does not know the token."
    if answer.status == 403:
        return "user_inactive", "the user may not sign in."
    return "token_malformed", "Laravel cannot read the token."


def _family(status: int) -> str:
    """``5xx`` of 503: few names for many numbers."""
    return f"{status // 100}xx" if 100 <= status < 600 else "unknown"


def _no_verdict(
    code: str, reason: str, retry_after: float = 2.0, status: int | None = None, kind: Body | None = None
) -> Unavailable:
    log.warning("verify_failed", extra={"code": code, "status": status, "body": kind.value if kind else None})
    return Unavailable(
        f"The token cannot be verified now: {reason}", code=code, retry_after=max(1, math.ceil(retry_after))
    )
