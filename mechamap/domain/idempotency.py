"""A publisher's own name for a publication: what may be one, and what it is remembered by.

It comes as the body's ``id`` or as the request's ``Idempotency-Key``. Names of different publishers (origins)
never meet.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .channels import Channel
from .errors import InvalidField

MAX_LENGTH = 200
"""Characters of a name."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z:/=]+", re.ASCII)
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"', re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Once:
    """What the broker remembers a named publication by. Every name costs the same memory.

    Attributes:
        token: the name and whose it is; 128 bits of a hash.
        digest: what is published, likewise; one name may not stand for two things.
        seconds: how long the name stands, if for less than names do.
    """

    token: bytes
    digest: bytes
    seconds: float | None = None

    @classmethod
    def of(cls, origin: str, name: str, channels: Iterable[Channel], event: str, payload: bytes) -> "Once":
        """Of the publication of this content that ``origin`` calls ``name``. The channels' order counts,
        their spelling does not."""
        rooms = [channel.canonical.encode() for channel in channels]
        return cls(_hash(origin.encode(), name.encode()), _hash(*rooms, event.encode(), payload))

    @classmethod
    def beside(
        cls, origin: str, name: str, channels: Iterable[Channel], event: str, payload: bytes
    ) -> "Once":
        """Of this content within what ``origin`` calls ``name``, which may hold more: an id of Laravel's own
        request. Other content under the name is another publication, never a contradiction."""
        whole = cls.of(origin, name, channels, event, payload)
        return cls(_hash(b"beside", whole.token, whole.digest), whole.digest)

    @classmethod
    def of_name(cls, *name: str, seconds: float) -> "Once":
        """Of whatever comes first under a name that is nobody's own; its content does not count."""
        token = _hash(b"name", *[part.encode() for part in name])
        return cls(token, token, seconds)


def _hash(*texts: bytes) -> bytes:
    # the length before each keeps them apart, whatever they hold
    joined = b"".join([b"%d:%s" % (len(text), text) for text in texts])
    return hashlib.sha256(joined).digest()[:16]


def check_name(name: object, field: str = "id") -> str:
    """``name`` if a publisher may call a publication so.

    Raises:
        InvalidField: not text, empty, too long or unprintable.
    """
    if not isinstance(name, str) or not name:
        raise InvalidField(field, f"{field} must be a non-empty string.", code="id_invalid")
    if len(name) > MAX_LENGTH:
        problem = f"{field} has {len(name)} characters; the limit is {MAX_LENGTH}."
        raise InvalidField(field, problem, code="id_too_long")
    if not name.isprintable():
        raise InvalidField(field, f"{field} holds characters that cannot be printed.", code="id_invalid")
    return name


def read_key(header: str) -> str:
    """The name in an ``Idempotency-Key`` header: a string of RFC 8941 in quotes, as
    draft-ietf-httpapi-idempotency-key-header has it, or a token without them, as most clients send it.

    Raises:
        InvalidField
    """
    field, text = "Idempotency-Key", header.strip(" \t")
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise InvalidField(field, f"{field} is not a whole ASCII string in quotes.", code="id_invalid")
        return check_name(_ESCAPED.sub(r"\1", quoted[1]), field)
    if text and _TOKEN.fullmatch(text) is None:
        raise InvalidField(field, f"{field} must be one token or one string in quotes.", code="id_invalid")
    return check_name(text, field)


def one_name(name: object, key: str | None) -> str | None:
    """The name of a publication whose body has ``name`` as its id and whose request has ``key``.

    Raises:
        InvalidField: what the body has is no name, or another than the request's.
    """
    if name is None:
        return key
    checked = check_name(name)
    if key is not None and key != checked:
        raise InvalidField("id", "id and Idempotency-Key differ; give one of them.", code="id_ambiguous")
    return checked
