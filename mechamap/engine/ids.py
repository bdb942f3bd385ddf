"""Connection ids: `digits.digits`, unguessable, with the worker's slot in the leading digits.

The shape is what Pusher-style signatures and `X-Socket-ID` expect. The slot lets any worker see who owns a
connection. 36 random digits are 119 bits, so an id is as good a secret as a session cookie.
"""

import re
import secrets

_RANDOM_HEAD = 16
_RANDOM_TAIL = 20
_ID = re.compile(r"([1-9][0-9]{0,3})([0-9]{16})\.([0-9]{20})")


def new_id(slot: int) -> str:
    """A fresh id owned by the worker in `slot`."""
    head, tail = divmod(secrets.randbelow(10 ** (_RANDOM_HEAD + _RANDOM_TAIL)), 10**_RANDOM_TAIL)
    return f"{slot + 1}{head:0{_RANDOM_HEAD}d}.{tail:0{_RANDOM_TAIL}d}"


def slot_of(id: str) -> int | None:
    """The slot inside an id, or None when the text is not an id of ours."""
    match = _ID.fullmatch(id) if isinstance(id, str) else None
    return int(match[1]) - 1 if match else None


def is_id(text: object) -> bool:
    """Whether the text has the exact form of a connection id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
