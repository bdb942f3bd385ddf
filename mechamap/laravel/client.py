"""One address of Laravel, asked by POST: bounded in time, size and number, and left alone while it is down.

Redirects are never followed, certificates are always verified, proxies of the environment are not used. What
Laravel answers, whatever the status, is an ``Answer``; that it does not answer is ``NoAnswer``.
"""

import math
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http.client import RemoteDisconnected

import gevent
import urllib3
from gevent.lock import BoundedSemaphore
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as TookTooLong

from mechamap.store.breaker import State

from .patience import Patience, Paused

MAX_ANSWER = 65_536
"""Bytes of a body. What is longer is neither a user nor a verdict on a channel."""
LONGEST_RETRY_AFTER = 120.0
USUAL_RETRY_AFTER = 5.0
"""Seconds, where a 429 does not say how many."""
_AWAY = frozenset({502, 503, 504})
"""Said by a proxy, or by ``artisan down``, in Laravel's stead."""


class Trouble(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    PAUSED = "paused"
    BUSY = "busy"


class NoAnswer(Exception):
    """Laravel was not asked, or did not answer. ``retry_after`` is seconds."""

    def __init__(self, trouble: Trouble, retry_after: float) -> None:
        super().__init__(f"no answer from Laravel: {trouble.value}")
        self.trouble = trouble
        self.retry_after = retry_after


class Body(StrEnum):
    """What a body is at first sight; may be logged where the body may not."""

    EMPTY = "empty"
    HTML = "html"
    JSON = "json"
    HUGE = "huge"
    OTHER = "other"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What Laravel said.

    Attributes:
        body: the bytes; empty where they were more than ``MAX_ANSWER``, or compressed.
        retry_after: seconds, of a 429 or 503 that says so.
    """

    status: int
    kind: Body
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, and how many questions at once and waiting for their turn."""

    connect: float = 2.0
    total: float = 5.0
    at_once: int = 8
    waiting: int = 2_000


class LaravelClient:
    """For the greenlets of one worker; ``post`` lets others run while it waits."""

    def __init__(self, url: str, bounds: Bounds | None = None, *, once: bool = False) -> None:
        """``once``: what is asked changes something, so it is never sent again, not even where a kept
        connection turned out to be closed; none is kept."""
        self.url = url
        self._once = once
        self._bounds = bounds or Bounds()
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=self._bounds.at_once, retries=False)
        self._turns = BoundedSemaphore(self._bounds.at_once)
        self._waiting = 0
        self._patience = Patience()

    @property
    def state(self) -> State:
        """CLOSED: asked as usual; else Laravel does not answer, or wants to be left alone."""
        return self._patience.state

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Ask once.

        Raises:
            NoAnswer: within the time that was given; Laravel may have heard the question.
        """
        patience = self._patience
        try:
            patience.check()  # nobody waits for a turn only to be refused
            with self._turn():
                patience.admit()
                answer = self._asked(body, headers)
        except Paused as err:
            raise NoAnswer(Trouble.PAUSED, err.retry_after) from None
        if answer.status == 429:
            patience.asked_to_wait(answer.retry_after or USUAL_RETRY_AFTER)
        elif answer.status in _AWAY and answer.retry_after is not None:
            patience.asked_to_wait(answer.retry_after)
        elif answer.status in _AWAY:
            patience.failed()
        else:
            patience.answered()
        return answer

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._waiting >= self._bounds.waiting:
            raise self._no_answer(Trouble.BUSY)
        self._waiting += 1
        try:
            mine = self._turns.acquire(timeout=self._bounds.total)
        finally:
            self._waiting -= 1
        if not mine:
            raise self._no_answer(Trouble.BUSY)
        try:
            yield
        finally:
            self._turns.release()

    def _asked(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            # for what urllib3's timeouts leave out: names that do not resolve, bytes that drip
            with gevent.Timeout(self._bounds.total):
                return self._exchange(body, headers)
        except gevent.Timeout:
            self._patience.failed()
            raise self._no_answer(Trouble.TIMEOUT) from None
        except HTTPError as err:
            self._patience.failed()
            raise self._no_answer(_trouble_of(err)) from None  # its text may quote the address
        except BaseException:
            self._patience.abandoned()
            raise

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._once:
            return self._ask(body, {**headers, "Connection": "close"})
        try:
            return self._ask(body, headers)
        except ProtocolError as err:
            # a kept connection that Laravel's server closed at this moment; asking twice does no harm
            if not any(isinstance(arg, (RemoteDisconnected, ConnectionError)) for arg in err.args):
                raise
            return self._ask(body, headers)

    def _ask(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        response = self._pool.request(
            "POST",
            self.url,
            body=body,
            headers={"Accept-Encoding": "identity", "User-Agent": "mechamap-realtime", **headers},
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=self._bounds.connect, total=self._bounds.total),
        )
        whole = False
        try:
            content = _read(response)
            whole = content is not None
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()
        retry_after = _retry_after(response.headers.get("Retry-After"))
        if content is None:
            return Answer(response.status, Body.HUGE, b"", retry_after)
        if (
            response.headers.get("Content-Encoding", "identity").lower() != "identity"
        ):  # not what was asked for
            return Answer(response.status, Body.OTHER, b"", retry_after)
        return Answer(response.status, _kind(content), content, retry_after)

    def _no_answer(self, trouble: Trouble) -> NoAnswer:
        return NoAnswer(trouble, 2 * random.uniform(1, 2))


def _read(response: urllib3.BaseHTTPResponse) -> bytes | None:
    """The body, or None if it is too long."""
    parts, size = [], 0
    while part := response.read1(16_384):
        size += len(part)
        if size > MAX_ANSWER:
            return None
        parts.append(part)
    return b"".join(parts)


def _kind(body: bytes) -> Body:
    text = body.strip()
    if not text:
        return Body.EMPTY
    # Laravel's redis driver says text/html of JSON, so it is the first byte that tells
    if text[:1] == b"<":
        return Body.HTML
    return Body.JSON if text[:1] in b'{["tfn-0123456789' else Body.OTHER


def _retry_after(value: str | None) -> float | None:
    """Seconds from now on; a number or a date, within reason."""
    if value is None:
        return None
    try:
        plain = value.strip().isdigit()
        seconds = float(value) if plain else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(LONGEST_RETRY_AFTER, max(1.0, seconds)) if math.isfinite(seconds) else None


def _trouble_of(err: HTTPError) -> Trouble:
    if isinstance(err, SSLError):
        return Trouble.CERTIFICATE
    if isinstance(err, (ConnectTimeoutError, TookTooLong)) and not isinstance(err, NewConnectionError):
        return Trouble.TIMEOUT
    return Trouble.UNREACHABLE
