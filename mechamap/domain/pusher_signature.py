"""Pusher's signatures: of requests to its HTTP API, of channel and user authorisations, and of webhooks.

All are HMAC-SHA256 in lower-case hex under the secret of one of an app's keys. What is signed is as in
Pusher's documentation («Authenticating requests», «Auth signatures», «Webhooks»); where its libraries differ
from that, the function says so.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from .errors import SignatureRefused

VERSION = "1.0"
WINDOW = 600
"""Seconds by which the clock of a signed request may differ from ours."""
MAX_PARAMETERS = 50
SOCKET_ID = re.compile(r"[0-9]{1,20}\.[0-9]{1,40}", re.ASCII)
"""What Pusher's libraries take for the id of a connection."""

_INDEX = re.compile(r"\[[0-9]*\]\Z", re.ASCII)
_SIGNED_ONCE = ("auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5")


@dataclass(frozen=True, slots=True)
class AppKey:
    """A public key and the secret that belongs to it. An app has several of them, or one key with several
    secrets, while they are being changed."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it arrived.

    Attributes:
        method: in upper case.
        paths: every form in which its sender may have signed the path: percent-encoded or not, with and
            without the prefix under which the API is mounted (pusher-http-php leaves its ``path`` out).
        parameters: of the query, from ``read_query``.
        body: its bytes.
    """

    method: str
    paths: tuple[str, ...]
    parameters: Mapping[str, str]
    body: bytes = field(repr=False)


def read_query(query: str) -> dict[str, str]:
    """The parameters of a query string, decoded: PHP's client percent-encodes what others send raw, and all
    of them sign the plain values. An array (``info[0]=a&info[1]=b``, ``info[]=a``, or a name that is
    repeated) is joined with commas, as it was for the signature.

    Raises:
        SignatureRefused: too many parameters, or two of one that counts once.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as err:
        message = f"The query has more than {MAX_PARAMETERS} parameters."
        raise SignatureRefused(message, code="signature_invalid") from err
    found: dict[str, str] = {}
    for raw, value in pairs:
        name = _INDEX.sub("", raw).lower()
        if name not in found:
            found[name] = value
        elif name in _SIGNED_ONCE:
            raise SignatureRefused(f"{name} is given twice.", code="signature_invalid")
        else:
            found[name] += f",{value}"
    return found


def sign(secret: str, text: str | bytes) -> str:
    """The signature of ``text``: 64 hex digits."""
    return hmac.new(_bytes(secret), _bytes(text), hashlib.sha256).hexdigest()


def sign_request(secret: str, method: str, path: str, parameters: Mapping[str, str]) -> str:
    """The ``auth_signature`` of a request with these other parameters."""
    ordered = sorted((name.lower(), value) for name, value in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in ordered if name != "auth_signature")
    return sign(secret, f"{method.upper()}\n{path}\n{joined}")


def check_request(request: SignedRequest, keys: Iterable[AppKey], now: float) -> AppKey:
    """The key of the app by which the request is signed.

    Args:
        keys: those of the app that the request names, and no others.
        now: Unix seconds.

    Raises:
        SignatureRefused: says which part is missing or wrong.
    """
    given = request.parameters
    for name in ("auth_key", "auth_timestamp", "auth_version", "auth_signature"):
        if not given.get(name):
            raise SignatureRefused(f"{name} is missing from the query.", code="signature_missing")
    if given["auth_version"] != VERSION:
        raise SignatureRefused(f"auth_version must be {VERSION}.", code="signature_invalid")
    named = [each for each in keys if _equal(each.key, given["auth_key"])]
    if not named:
        raise SignatureRefused("auth_key is not a key of this app.", code="app_key_unknown")
    # Over the parameters as given, so a wrong body or a late clock is told only to who knows the secret.
    key = next((each for each in named if _signed_by(each, request)), None)
    if key is None:
        raise SignatureRefused("Invalid signature.", code="signature_invalid")
    _check_clock(given["auth_timestamp"], now)
    _check_body(request.body, given.get("body_md5"))
    return key


def _signed_by(key: AppKey, request: SignedRequest) -> bool:
    given = request.parameters
    made = (sign_request(key.secret, request.method, path, given) for path in request.paths)
    return any(_equal(each, given["auth_signature"]) for each in made)


def _check_clock(timestamp: str, now: float) -> None:
    plain = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    if not plain or abs(now - int(timestamp)) > WINDOW:
        raise SignatureRefused(
            f"Timestamp expired: auth_timestamp is not within {WINDOW} seconds of the server's clock.",
            code="signature_expired",
        )


def _check_body(body: bytes, given: str | None) -> None:
    """PHP and Node give ``body_md5`` with a POST only, pusher-http-python with a GET too, whose body is
    empty."""
    if given is None:
        if body:
            raise SignatureRefused("body_md5 is missing from the query.", code="signature_missing")
        return
    # as Pusher has it; what proves the request is the HMAC over this
    if not _equal(hashlib.md5(body, usedforsecurity=False).hexdigest(), given):
        raise SignatureRefused("body_md5 is not the MD5 of the body.", code="signature_invalid")


def sign_channel(key: AppKey, socket_id: str, channel: str, channel_data: str | None = None) -> str:
    """The ``auth`` with which the connection may join a private channel; with ``channel_data``, exactly as it
    is sent, a presence channel."""
    data = "" if channel_data is None else f":{channel_data}"
    return f"{key.key}:{sign(key.secret, f'{socket_id}:{channel}{data}')}"


def check_channel(
    auth: str, keys: Iterable[AppKey], socket_id: str, channel: str, channel_data: str | None = None
) -> bool:
    """Whether ``auth`` is what one of the keys made for this connection, channel and data."""
    # a socket id with a colon could move the borders between the parts of what is signed
    if SOCKET_ID.fullmatch(socket_id) is None:
        return False
    return any(_equal(sign_channel(key, socket_id, channel, channel_data), auth) for key in keys)


def webhook_headers(key: AppKey, body: bytes) -> dict[str, str]:
    """The headers by which Laravel's side knows a webhook of ours. Pusher's Node library wants this
    Content-Type to the letter."""
    return {
        "Content-Type": "application/json",
        "X-Pusher-Key": key.key,
        "X-Pusher-Signature": sign(key.secret, body),
    }


def _equal(left: str, right: str) -> bool:
    """Compared in a time that tells nothing about where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _bytes(text: str | bytes) -> bytes:
    # JSON of a stranger may hold half a surrogate pair; it then equals nothing, instead of raising
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
