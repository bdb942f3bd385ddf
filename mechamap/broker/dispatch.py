"""Handing a message to Redis: one round trip, and never later than the sender was told.

A Redis that hung (a stopped virtual machine, a long script) still executes what stands in its socket buffers
when it wakes up, long after the sender gave up and answered 503. So every message carries its deadline by the
clock of Redis and the script refuses it afterwards.

Where the connection breaks between acceptance and answer, the message is sent once more, and Redis is asked
to look whether it has it: by its name, if its publisher gave it one, otherwise in its log. What cannot be
told even then is said: ``BrokerUnavailable.unknown``.
"""

import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis
from redis.exceptions import AuthenticationError, BusyLoadingError

from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.history import Bounds, Position
from ..domain.idempotency import Once
from .acceptance import PUBLISH, PUBLISH_ONCE, Status
from .connection import COMMAND_TIMEOUT
from .remembered import MOST_REMEMBERED, REMEMBER, contradiction
from .sequence import Keys
from .stamp import new_epoch

_UNNAMED = Once(b"", b"")
_UNSENT = (ConnectionRefusedError, FileNotFoundError, socket.gaierror, queue.Empty)
"""Causes of a redis-py error with which no byte went out; ``Empty`` is its pool without a free connection."""


class Message(NamedTuple):
    """``body`` holds ``id``; ``names``: the logs it goes into and the pub/sub channels, each once."""

    id: str
    body: bytes
    names: Sequence[str]
    once: Once | None = None


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


Accepts = Callable[[Accepted], None]
Refuses = Callable[[RealtimeError], None]


class Dispatch:
    """Sends messages.

    Raises ``BrokerUnavailable`` if Redis was late or did not answer, ``Conflict``, and redis-py's errors for
    what Redis refused.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        leases: str,
        counts: str,
        bounds: Bounds,
        remember: float = REMEMBER,
    ) -> None:
        """``leases`` is a key; ``counts`` begins the names of count tables; ``remember``: seconds."""
        keys = Keys(prefix)
        self._client = client
        # Bytes, because redis-py encodes every other argument anew each time.
        self._keys = [key.encode() for key in (*keys.sequence, leases)]
        self._keys_once = [*self._keys, *(key.encode() for key in keys.once)]
        self._names = [counts.encode(), keys.logs.encode()]
        self._bounds = bounds
        self._ages = [b"%d" % (seconds * 1000) for seconds in (bounds.seconds, bounds.user_seconds)]
        self._remember = remember
        self._remembering = [b"%d" % (remember * 1000), MOST_REMEMBERED // 2]
        self._known = Position("", 0)
        self._candidate = new_epoch()
        # How far the clock of Redis is ahead of time.monotonic(), at least; None until it answered once.
        self._ahead: float | None = None

    @property
    def known(self) -> Position:
        """The highest position this process was told."""
        return self._known

    def learn(self, position: Position) -> None:
        """The sequence has come as far as ``position``: it may not fall behind it in the same epoch."""
        if position.epoch != self._known.epoch or position.offset > self._known.offset:
            self._known = position

    def send(self, message: Message, channels: bytes) -> Accepted:
        """Number the message, put it into its logs and publish it to the pub/sub channels whose names
        ``channels`` begins."""
        accepted: list[Accepted] = []
        self.send_many([message], channels, accepted.append)
        return accepted[0]

    def send_many(
        self, messages: Sequence[Message], channels: bytes, accepted: Callable[[Accepted], None]
    ) -> None:
        """Send them in one round trip; ``accepted`` is told what ``send`` returns, for one after the other,
        until the first that was not sent. Then it raises, and none behind was."""
        self._send(list(messages), channels, accepted, None)

    def send_each(
        self, messages: Sequence[Message], channels: bytes, told: Callable[[Accepted | RealtimeError], None]
    ) -> None:
        """Send messages that have nothing to do with each other in one round trip; ``told`` gets what
        ``send`` returns, or raises because of this message alone, for one after the other. Raises at the
        first that was not sent for another reason."""
        self._send(list(messages), channels, told, told)

    def _send(self, rest: list[Message], channels: bytes, accepted: Accepts, refused: Refuses | None) -> None:
        """Without ``refused`` they are a series: it ends at the first refusal."""
        begun = time.monotonic()
        try:
            self._attempt(rest, channels, accepted, refused)
        except redis.ConnectionError as err:
            if _unsent(err):
                raise
        except redis.TimeoutError as err:
            # No second attempt: the sender has waited long enough.
            raise _unknown() from err
        else:
            return
        # Whatever an attempt did was done within its deadline after ``begun``; a second more for the clocks.
        since = time.monotonic() - begun + COMMAND_TIMEOUT + 1.0
        try:
            self._attempt(rest, channels, accepted, refused, b"%d" % (since * 1000))
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise _unknown() from err

    def _attempt(
        self,
        rest: list[Message],
        channels: bytes,
        accepted: Accepts,
        refused: Refuses | None,
        search: bytes = b"0",
    ) -> None:
        """Send ``rest``, of which it takes away what was answered. ``search``: milliseconds since which Redis
        may have it already."""
        begun = time.monotonic()
        # Twice, because the first message of a process cannot know the clock, and clocks are set now and
        # then: an answer that is late by the clock but came in time only says that the clock was misjudged.
        for _ in range(2):
            if not rest:
                return
            end = begun + COMMAND_TIMEOUT + self._ahead if self._ahead is not None else 0.0
            series = new_epoch().encode() if refused is None and len(rest) > 1 else b""
            answers = self._run(rest, int(end * 1000), channels, search, series)
            answered = time.monotonic()
            for message, answer in zip(rest[:], answers, strict=True):
                if isinstance(answer, redis.RedisError):
                    raise answer
                # Redis looked at its clock before the answer arrived: never an overestimate, so never a
                # deadline too late.
                self._ahead = answer[0] / 1000 - answered
                if answer[1] == Status.LATE:
                    break
                if answer[1] <= Status.REPEATED:
                    accepted(self._accepted(answer, message, search))
                elif refused is None:
                    raise _refusal(Status(answer[1]))
                else:
                    refused(_refusal(Status(answer[1])))
                del rest[0]
            if answered - begun >= COMMAND_TIMEOUT:
                break
        if rest:
            text = "Redis answered too late: nothing more was sent."
            raise BrokerUnavailable(text) if search == b"0" else _unknown()

    def _run(
        self, messages: Sequence[Message], deadline: int, channels: bytes, search: bytes, series: bytes
    ) -> Sequence[Any]:
        if search == b"0" and all(message.once is None for message in messages):
            calls = [self._arguments(deadline, channels, message) for message in messages]
            script, keys = PUBLISH, self._keys
        else:
            calls = [self._arguments_once(deadline, channels, m, search, series) for m in messages]
            script, keys = PUBLISH_ONCE, self._keys_once
        if len(calls) == 1:  # spares the transaction
            return [script.run(self._client, keys, calls[0])]
        return script.run_many(self._client, keys, calls)

    def _arguments(self, deadline: int, channels: bytes, message: Message) -> list[Any]:
        return [*self._common(deadline, channels, message.body), *message.names]

    def _arguments_once(
        self, deadline: int, channels: bytes, message: Message, search: bytes, series: bytes
    ) -> list[Any]:
        once = message.once or _UNNAMED
        if message.once is not None:  # Redis knows by the name
            search = b"0"
        window = self._remember if once.seconds is None else min(once.seconds, self._remember)
        told = [once.token, once.digest, message.id, *self._remembering, search, series]
        told += [b"", b"%d" % (window * 1000)]
        return [*self._common(deadline, channels, message.body), *told, *message.names]

    def _common(self, deadline: int, channels: bytes, body: bytes) -> list[Any]:
        known = self._known
        arguments = [deadline, *self._names, channels, self._candidate, known.epoch, known.offset]
        return [*arguments, body, self._bounds.count(len(body)), *self._ages]

    def _accepted(self, answer: Sequence[Any], message: Message, search: bytes) -> Accepted:
        _, status, epoch, offset, *counts = answer
        position = Position(epoch.decode(), offset)
        if status == Status.REPEATED:  # perhaps of an epoch that is over, so it teaches nothing
            id = counts.pop().decode()
            duplicate = search == b"0" or id != message.id
            told = dict(zip(message.names, counts, strict=True)) if _alike(message, duplicate) else {}
            return Accepted(position, told, id, duplicate)
        self.learn(position)
        if position.epoch == self._candidate:  # it is in use now
            self._candidate = new_epoch()
        return Accepted(position, dict(zip(message.names, counts, strict=True)), message.id)


def _alike(message: Message, duplicate: bool) -> bool:
    """Whether what was accepted had the message's channels."""
    return not duplicate or message.once is None or message.once.seconds is None


def _refusal(status: Status) -> RealtimeError:
    return contradiction() if status is Status.CONTRADICTED else _unknown()


def _unknown() -> BrokerUnavailable:
    text = "Redis did not answer: it is not known whether the event was accepted."
    return BrokerUnavailable(text, unknown=True)


def _unsent(error: BaseException | None) -> bool:
    """Whether nothing was sent, or what was sent was refused."""
    if isinstance(error, BusyLoadingError | AuthenticationError):
        return True
    while error is not None:
        if isinstance(error, _UNSENT):
            return True
        error = error.__cause__ or error.__context__
    return False
