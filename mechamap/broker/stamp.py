"""The place in the sequence that Redis writes in front of an envelope: ``epoch:offset:{…``."""

import re
import secrets

# Lua counts in doubles, which are exact up to 15 digits.
_STAMP = re.compile(rb"([A-Za-z0-9_-]{8}):([0-9]{1,15}):")


def new_epoch() -> str:
    """A name for a new epoch: 48 random bits in 8 characters. It goes out with events, so it is short."""
    return secrets.token_urlsafe(6)


def split(message: bytes) -> tuple[str, int, bytes] | None:
    """(epoch, offset, envelope), or None if the message bears no stamp."""
    found = _STAMP.match(message)
    if found is None:
        return None
    return found[1].decode(), int(found[2]), message[found.end() :]
