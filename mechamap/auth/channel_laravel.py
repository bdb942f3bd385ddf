"""Channels that Laravel decides on when asked: ``POST /broadcasting/auth``, as Pusher's clients call it."""

import hashlib
import logging
import math
import time
from urllib.parse import urlencode

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import Unavailable
from mechamap.domain.identity import Identity
from mechamap.laravel.client import Answer, LaravelClient, NoAnswer
from mechamap.laravel.remembered import Remembered
from mechamap.laravel.verdict import Outcome, Verdict, read_verdict

from .channel_signature import ChannelSignatures, other_member

log = logging.getLogger(__name__)

RULE = "Laravel decides when it is asked"
ALLOWED_SECONDS, DENIED_SECONDS = 10.0, 5.0
"""How long a verdict is remembered: a page that loads, and its reload, ask once."""


class LaravelChannels:
    """Asks Laravel with the browser's own credentials.

    Args:
        client: for the address of ``/broadcasting/auth``.
        signatures: who checks the signature with which Laravel's Pusher driver answers.
    """

    def __init__(self, client: LaravelClient, signatures: ChannelSignatures) -> None:
        self._client = client
        self._signatures = signatures
        self._decisions: Remembered[Decision] = Remembered()

    def decide(self, identity: Identity, channel: Channel, credentials: Credentials) -> Decision:
        """Laravel's verdict. Without a credential that tells who it is, there is nobody to ask about.

        Raises:
            Unavailable: there is no verdict; the code begins ``auth_``.
        """
        if not credentials.identify:
            return Decision(
                False, RULE, "There is neither a cookie nor a token for Laravel.", "auth_no_credentials"
            )
        about = f"{identity.user_id}\n{channel.name}\n".encode() + credentials.digest
        key = hashlib.sha256(about).digest()
        return self._decisions.get(key, lambda: self._ask(identity, channel, credentials))

    def _ask(self, identity: Identity, channel: Channel, credentials: Credentials) -> tuple[Decision, float]:
        began = time.monotonic()
        form = urlencode({"channel_name": channel.name, "socket_id": credentials.sid}).encode()
        answer: Answer | None = None
        try:
            answer = self._client.post(form, _headers(credentials))
        except NoAnswer as err:
            code, reason = f"auth_{err.trouble.value}", "Laravel does not answer."
            verdict, retry_after = Verdict(Outcome.FAILED, code, reason), err.retry_after
        else:
            verdict = self._checked(read_verdict(answer), identity, channel, credentials)
            retry_after = answer.retry_after or 2.0
        self._trace(verdict, channel, answer, time.monotonic() - began)
        if verdict.outcome is Outcome.FAILED:
            raise Unavailable(verdict.reason, code=verdict.code, retry_after=max(1, math.ceil(retry_after)))
        allowed = verdict.outcome is Outcome.ALLOWED
        decision = Decision(allowed, RULE, verdict.reason, verdict.code)
        return decision, ALLOWED_SECONDS if allowed else DENIED_SECONDS

    def _checked(
        self, verdict: Verdict, identity: Identity, channel: Channel, credentials: Credentials
    ) -> Verdict:
        """A signature checked, and the member told by Laravel compared with who is connected."""
        if verdict.outcome is Outcome.SIGNED:
            signed = self._signatures.check(
                identity, channel, credentials.sid, verdict.auth, verdict.channel_data
            )
            outcome = Outcome.ALLOWED if signed.allowed else Outcome.DENIED
            return Verdict(outcome, signed.code, signed.reason)
        if verdict.outcome is Outcome.ALLOWED and other_member(identity, verdict.member):
            return Verdict(Outcome.DENIED, "auth_other_user", "The credentials are another user's.")
        return verdict

    def _trace(self, verdict: Verdict, channel: Channel, answer: Answer | None, seconds: float) -> None:
        """Who was asked, what came back and what was made of it; nothing of body or credentials."""
        log.log(
            logging.WARNING if verdict.outcome is Outcome.FAILED else logging.INFO,
            "channel_asked",
            extra={
                "channel": channel.name,
                "code": verdict.code,
                "rule": "laravel",
                "url": self._client.url,
                "status": answer.status if answer is not None else None,
                "body": answer.kind.value if answer is not None else None,
                "ms": round(seconds * 1000),
            },
        )


def _headers(credentials: Credentials) -> dict[str, str]:
    given = {
        **credentials.headers,
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        # Laravel then answers 401 and 403, not with a redirect to its login page
        "X-Requested-With": "XMLHttpRequest",
    }
    if credentials.address is not None:
        given["X-Forwarded-For"] = credentials.address
    return given
