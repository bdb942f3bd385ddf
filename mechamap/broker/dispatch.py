"""Handing a message to Redis: one round trip, and never later than the sender was told.

A Redis that hung (a stopped virtual machine, a long script) still executes what stands in its socket buffers
when it wakes up, long after the sender gave up and answered 503. So every message carries its deadline by the
clock of Redis and the script refuses it afterwards.

Where the connection breaks between acceptance and answer, the message is sent once more, and Redis is asked
to look whether it has it: by its name, if its publisher gave it one, otherwise in its log. What cannot be
told even then is said: ``BrokerUnavailable.unknown``.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import BusyLoadingError

from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.history import Bounds, Position
from ..domain.idempotency import Once
from .acceptance import PUBLISH, PUBLISH_ONCE, Status
from .connection import COMMAND_TIMEOUT, Call, run_together
from .outcomes import Accepted, Told, failed, has_effect, refusal, unknown, unsent
from .remembered import MOST_REMEMBERED, REMEMBER
from .sequence import Keys
from .stamp import new_epoch

_UNNAMED = Once(b"", b"")


class Message(NamedTuple):
    """``body`` holds ``id``; ``names``: the logs it goes into and the pub/sub channels, each once."""

    id: str
    body: bytes
    names: Sequence[str]
    once: Once | None = None


class Search(NamedTuple):
    """An attempt that got no answer: at most so many ``milliseconds`` ago, when ``epoch`` was known."""

    milliseconds: int
    epoch: str


class Dispatch:
    """Sends messages.

    Raises ``BrokerUnavailable`` (``unknown``, unless they were surely not accepted), ``Conflict``, and
    ``redis.ConnectionError`` if nothing was sent.
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
        until the first that was not accepted. Then it raises: none behind was, or it is ``unknown``."""
        self._send(messages, channels, lambda _, answer: accepted(answer), series=True)

    def send_each(self, messages: Sequence[Message], channels: bytes, told: Told) -> None:
        """Send messages that have nothing to do with each other in one round trip; ``told`` gets the place of
        each and what ``send`` returns or raises for it. Raises what became of those it said nothing about."""
        self._send(messages, channels, told, series=False)

    def _send(self, messages: Sequence[Message], channels: bytes, told: Told, *, series: bool) -> None:
        rest = dict(enumerate(messages))
        begun, epoch = time.monotonic(), self._known.epoch
        try:
            self._attempt(rest, channels, told, series)
        except redis.ConnectionError as err:
            # While Redis loads its data it refuses each command by itself: of a transaction perhaps the first
            # ones only.
            if unsent(err) and (len(rest) == 1 or not isinstance(err, BusyLoadingError)):
                raise
        except redis.TimeoutError as err:
            # No second attempt: the sender has waited long enough.
            raise unknown() from err
        except redis.RedisError as err:
            raise failed(err) from err
        else:
            return
        # Whatever an attempt did was done within its deadline after ``begun``; a second more for the clocks.
        since = time.monotonic() - begun + COMMAND_TIMEOUT + 1.0
        try:
            self._attempt(rest, channels, told, series, Search(int(since * 1000), epoch))
        except redis.RedisError as err:
            raise unknown() from err

    def _attempt(
        self,
        rest: dict[int, Message],
        channels: bytes,
        told: Told,
        series: bool,
        search: Search | None = None,
    ) -> None:
        """Send ``rest``, of which it takes away what was told. ``search``: Redis may have it already."""
        begun = time.monotonic()
        # Twice, because the first message of a process cannot know the clock, and clocks are set now and
        # then: an answer that is late by the clock but came in time only says that the clock was misjudged.
        for _ in range(2):
            if not rest:
                return
            end = begun + COMMAND_TIMEOUT + self._ahead if self._ahead is not None else 0.0
            sent = list(rest.items())
            answers = self._run([message for _, message in sent], int(end * 1000), channels, series, search)
            answered = time.monotonic()
            for number, (place, message) in enumerate(sent):
                outcome = self._outcome(answers[number], message, answered, search)
                if series and not isinstance(outcome, Accepted):
                    for (_, behind), answer in zip(sent[number + 1 :], answers[number + 1 :], strict=True):
                        if has_effect(self._outcome(answer, behind, answered, search)):
                            raise unknown() from outcome
                    if outcome is None:  # as all behind it
                        break
                    raise outcome
                if outcome is not None:
                    told(place, outcome)
                    del rest[place]
            if answered - begun >= COMMAND_TIMEOUT:
                break
        if rest:
            text = "Redis answered too late: nothing more was sent."
            raise BrokerUnavailable(text) if search is None else unknown()

    def _run(
        self,
        messages: Sequence[Message],
        deadline: int,
        channels: bytes,
        series: bool,
        search: Search | None,
    ) -> Sequence[Any]:
        # A series goes one way as a whole, the one that can be stopped.
        slow = search is not None or (series and any(message.once is not None for message in messages))
        known = self._known
        common = [deadline, *self._names, channels, self._candidate, known.epoch, known.offset]
        since, epoch = search or (0, "")
        told = [*self._remembering, since, new_epoch() if series and len(messages) > 1 else "", epoch]
        calls = []
        for message in messages:
            _, body, names, once = message
            arguments = [*common, body, self._bounds.count(len(body)), *self._ages]
            if once is None and not slow:
                arguments += names
                calls.append(Call(PUBLISH, self._keys, arguments))
                continue
            once = once or _UNNAMED
            window = self._remember if once.seconds is None else min(once.seconds, self._remember)
            arguments += (once.token, once.digest, message.id, *told, int(window * 1000), *names)
            calls.append(Call(PUBLISH_ONCE, self._keys_once, arguments))
        if len(calls) > 1:
            return run_together(self._client, calls)
        try:  # spares the transaction
            return [calls[0].script.run(self._client, calls[0].keys, calls[0].arguments)]
        except redis.ResponseError as err:  # an answer like any other
            return [err]

    def _outcome(
        self, answer: Any, message: Message, answered: float, search: Search | None
    ) -> Accepted | RealtimeError | None:
        """What became of it; None if it was late."""
        if isinstance(answer, redis.RedisError):
            return failed(answer, tried_before=search is not None)
        # Redis looked at its clock before the answer arrived: never an overestimate, so never a deadline too
        # late.
        self._ahead = answer[0] / 1000 - answered
        status = answer[1]
        if status == Status.LATE:
            return None
        if status > Status.REPEATED:
            return refusal(Status(status))
        counts = answer[4:]
        position = Position(answer[2].decode(), answer[3])
        if status == Status.REPEATED:  # perhaps of an epoch that is over, so it teaches nothing
            id = counts.pop().decode()
            duplicate = search is None or id != message.id
            told = dict(zip(message.names, counts, strict=True)) if _alike(message, duplicate) else {}
            return Accepted(position, told, id, duplicate)
        self.learn(position)
        if position.epoch == self._candidate:  # it is in use now
            self._candidate = new_epoch()
        return Accepted(position, dict(zip(message.names, counts, strict=True)), message.id)


def _alike(message: Message, duplicate: bool) -> bool:
    """Whether what was accepted had the message's channels."""
    return not duplicate or message.once is None or message.once.seconds is None
