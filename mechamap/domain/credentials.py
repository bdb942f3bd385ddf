"""What a browser gives for those who decide on channels in our stead: Laravel, or whoever signs for it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .errors import InvalidField

FORWARDED = ("Authorization", "Cookie", "X-CSRF-TOKEN", "X-XSRF-TOKEN", "Accept-Language")
"""The headers that a browser may send to Laravel through us; no other can be told to."""
MAX_HEADERS = 8_192
"""Characters of all of them together, about what web servers accept."""
MAX_AUTH = 400
"""Characters of a signature with its key."""
MAX_CHANNEL_DATA = 16_384

_NAMES = {name.lower(): name for name in FORWARDED}
_PROOFS = frozenset({"Authorization", "Cookie"})


class ChannelAuth(StrEnum):
    """Who may decide on private and presence channels: our own rules, a signature, or Laravel when asked."""

    RULES = "rules"
    SIGNATURE = "signature"
    LARAVEL = "laravel"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Never printed, never logged; ``digest`` names them.

    Attributes:
        sid: the connection that gave them.
        address: where it comes from.
        headers: those of ``FORWARDED``, in its spelling.
        auth: ``key:signature``.
        channel_data: what a presence channel's signature covers, exactly as it was sent.
    """

    sid: str
    address: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    channel_data: str | None = None

    @property
    def identify(self) -> bool:
        """Whether Laravel can learn from the headers who this is."""
        return not _PROOFS.isdisjoint(self.headers)

    @property
    def digest(self) -> bytes:
        """Of the headers, whole: equal for equal credentials only."""
        whole = "\n".join(f"{name}: {self.headers[name]}" for name in FORWARDED if name in self.headers)
        return hashlib.sha256(whole.encode()).digest()

    def with_payload(self, payload: object) -> "Credentials":
        """These with what a ``subscribe`` adds: ``auth.headers`` go before those of the handshake; the
        signature is in ``auth`` itself or in ``auth.auth``, ``channel_data`` beside it.

        Raises:
            InvalidField
        """
        if not isinstance(payload, Mapping):
            return self
        auth, beside = payload.get("auth"), payload
        headers: Mapping[str, str] = {}
        if isinstance(auth, Mapping):
            headers, beside = read_headers(auth.get("headers")), auth
            auth = auth.get("auth")
        data = beside.get("channel_data", payload.get("channel_data"))
        return replace(
            self,
            headers={**self.headers, **headers},
            auth=_text(auth, "auth", MAX_AUTH),
            channel_data=_text(data, "channel_data", MAX_CHANNEL_DATA),
        )


def read_headers(given: object) -> dict[str, str]:
    """Those of a client's headers that may be sent on; others are left out.

    Raises:
        InvalidField: one that may is no header's text, or they are too long.
    """
    if not isinstance(given, Mapping):
        return {}
    found: dict[str, str] = {}
    for key, value in given.items():
        name = _NAMES.get(key.lower()) if isinstance(key, str) else None
        if name is None or value is None or value == "":
            continue
        # printable: nothing can end the header and begin another
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise InvalidField(
                "auth.headers", f"{name} is not the text of a header.", code="auth_headers_invalid"
            )
        found.setdefault(name, value)
    size = sum(map(len, found.values()))
    if size > MAX_HEADERS:
        raise InvalidField(
            "auth.headers",
            f"The headers have {size} characters; the limit is {MAX_HEADERS}.",
            code="auth_headers_invalid",
        )
    return found


def _text(value: object, field_name: str, most: int) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > most:
        raise InvalidField(
            field_name, f"{field_name} must be a text of at most {most} characters.", code="auth_invalid"
        )
    return value
