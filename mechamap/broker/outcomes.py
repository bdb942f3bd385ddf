"""What became of a message: where it was put, or why not, by the answer of Redis or the want of one.

Redis's own refusals concern a script before its first write, or not at all: once a script has written, Redis
lets it finish. Any other error may have come after the message had its number, its place in a log or its
subscribers. (Redis 6 wraps the errors of scripts, so there even refusals count as such.)
"""

import queue
import socket
from collections.abc import Callable
from dataclasses import dataclass

import redis
from redis.exceptions import AuthenticationError, BusyLoadingError, ExecAbortError

from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.history import Position
from .acceptance import Status
from .remembered import contradiction

_UNSENT = (ConnectionRefusedError, FileNotFoundError, socket.gaierror, queue.Empty)
"""Causes of a redis-py error with which no byte went out; ``Empty`` is its pool without a free connection."""
_REFUSALS = frozenset(
    ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOSCRIPT", "BUSY", "LOADING", "NOAUTH", "MASTERDOWN")
    + ("MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "CLUSTERDOWN", "EXECABORT")
)
"""With these codes Redis refuses a command, or a script's first write."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where Redis put a message, and the subscribers of each channel when it went out to all of them.

    Attributes:
        id: the message's; of one that was accepted earlier under the same name, the id of then.
        duplicate: whether it was.
    """

    position: Position
    subscribers: dict[str, int]
    id: str
    duplicate: bool = False


Told = Callable[[int, Accepted | RealtimeError], None]
"""Is told the place of a message and what became of it."""


def unknown() -> BrokerUnavailable:
    """Nobody can tell whether it was accepted."""
    text = "Redis did not answer: it is not known whether the event was accepted."
    return BrokerUnavailable(text, unknown=True)


def failed(error: redis.RedisError, *, tried_before: bool = False) -> BrokerUnavailable:
    """Redis answered with this error. ``tried_before``: an earlier attempt got no answer, so that a refusal
    says nothing."""
    code = _code(error)
    if code is None and not unsent(error):
        text = f"Redis failed ({type(error).__name__}): it is not known whether the event was accepted."
        failure = BrokerUnavailable(text, unknown=True)
    elif tried_before:
        failure = unknown()
    else:
        failure = BrokerUnavailable(f"Redis refused ({code or 'no connection'}): the event was not accepted.")
    failure.__cause__ = error
    return failure


def refusal(status: Status) -> RealtimeError:
    """The script answered with this status, which is none of acceptance or ``LATE``."""
    if status is Status.CONTRADICTED:
        return contradiction()
    if status is Status.STOPPED:
        return BrokerUnavailable("One before it in its series failed: the event was not accepted.")
    return unknown()


def has_effect(outcome: Accepted | RealtimeError | None) -> bool:
    """Whether it was accepted by this attempt, or may have been."""
    if isinstance(outcome, Accepted):
        return not outcome.duplicate
    return isinstance(outcome, BrokerUnavailable) and outcome.unknown


def unsent(error: BaseException | None) -> bool:
    """Whether nothing was sent, or what was sent was refused."""
    if isinstance(error, BusyLoadingError | AuthenticationError):
        return True
    while error is not None:
        if isinstance(error, _UNSENT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _code(error: redis.RedisError) -> str | None:
    """The code of a refusal; None if the error is none."""
    if not isinstance(error, redis.ResponseError | redis.ConnectionError):
        return None
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    if code in _REFUSALS:
        return code
    # redis-py raises what a command of a transaction met when it was queued in place of EXECABORT.
    return "EXECABORT" if isinstance(error.__context__, ExecAbortError) else None
