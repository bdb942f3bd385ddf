"""Dialects: the two ways in which browsers speak Socket.IO with this server, and which one a browser means.

The plan's pages take ``(data)``; Laravel Echo 2 takes ``(channel, data)``, its listeners being per channel.
Echo sends its whole ``auth`` option, ``{headers}``, with the handshake and with every subscription.
"""

from collections.abc import Mapping
from enum import StrEnum

_ECHO = "echo:"  # no canonical name begins so, and no channel's name has a colon


class Dialect(StrEnum):
    """How a browser is spoken to about one of its channels."""

    PLAN = "plan"
    ECHO = "echo"


def dialect_of_handshake(auth: object, *, token: bool) -> Dialect:
    """What a connection speaks where a subscription does not tell: what ``auth.dialect`` names, else the
    plan's with a token in its own place (``token``: in the query), else Echo's with ``auth.headers``."""
    if not isinstance(auth, Mapping):
        return Dialect.PLAN
    try:
        return Dialect(auth.get("dialect"))
    except ValueError:
        pass
    plain = token or auth.get("token") not in (None, "")
    return Dialect.ECHO if "headers" in auth and not plain else Dialect.PLAN


def dialect_of_subscription(payload: object) -> Dialect | None:
    """Echo's where the payload bears its ``auth`` option; None: the connection's own. A text there is a
    signature, which Echo never sends."""
    if isinstance(payload, Mapping) and isinstance(payload.get("auth", ""), Mapping | None):
        return Dialect.ECHO
    return None


def mark(name: str, dialect: Dialect) -> str:
    """A channel's name as its client spells it, with the dialect in it: how a session keeps it, and in Echo's
    dialect the room of all who spell it so."""
    return f"{_ECHO}{name}" if dialect is Dialect.ECHO else name


def unmark(marked: str) -> tuple[str, Dialect]:
    """The name and the dialect that ``mark`` put together."""
    if marked.startswith(_ECHO):
        return marked[len(_ECHO) :], Dialect.ECHO
    return marked, Dialect.PLAN
