"""Asking workers: a question goes to each worker's own list in Redis, the answers come into one of its own.

Not a command: those are kept in a log, for workers whose link was down. A question is of interest for half
a second. Lists expire within seconds and are bounded, so nothing piles up where nobody reads. Nothing is
written while nobody asks; a worker waits for questions in one blocked connection.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection

import msgspec
import redis

from ..domain.inquiries import MAX_ANSWER, MAX_QUESTION, PATIENCE, Question, Replies, Reply
from .connection import command_client, translated
from .protocol import Answer
from .supervision import join, log_lost, supervised
from .topology import PREFIX

log = logging.getLogger(__name__)

BLOCK = 10.0
"""Seconds of one wait for questions; the next follows at once."""
RETRY = 0.5
LIVES_MS = 2_000
"""A question, or an answer, that nobody fetched by then is gone."""
MOST_WAITING = 100
"""Questions that wait for one worker; the oldest are dropped."""


class _Asked(msgspec.Struct):
    id: str
    kind: str
    body: msgspec.Raw


class _Said(msgspec.Struct):
    worker: str
    body: msgspec.Raw
    code: str | None = None


_NULL = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode
_asked = msgspec.json.Decoder(_Asked)
_said = msgspec.json.Decoder(_Said)


class LocalInquiries:
    """``Inquiries`` and ``InquiriesLink`` of the one worker of a process: asks itself."""

    def __init__(self, worker_id: str) -> None:
        self._worker = worker_id
        self._answer: Answer | None = None

    def start(self, answer: Answer) -> None:
        self._answer = answer

    def stop(self) -> None:
        self._answer = None

    def ask(self, question: Question, workers: Collection[str]) -> Replies:
        if self._answer is None or self._worker not in workers:
            return {}
        return {self._worker: bounded(self._answer(question))}


class RedisInquiries:
    """``Inquiries`` and ``InquiriesLink`` over Redis. ``on_lost`` as for the broker."""

    def __init__(
        self,
        url: str,
        worker_id: str,
        *,
        prefix: str = PREFIX,
        patience: float = PATIENCE,
        on_lost: Callable[[str], None] = log_lost,
    ) -> None:
        self._worker = worker_id
        self._prefix = prefix
        self._patience = patience
        self._on_lost = on_lost
        self._client = command_client(url)
        self._waiting = command_client(url, timeout=BLOCK + 1.0)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, answer: Answer) -> None:
        if self._thread is not None:
            raise RuntimeError("the inquiries were started before")
        self._thread = supervised("inquiries", lambda: self._run(answer), self._on_lost)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            try:
                self._push(self._client, self._questions(self._worker), b"")  # wakes it up
            except redis.RedisError:
                pass  # then it is not waiting either
            join(self._thread, 1.0)
        self._client.close()
        self._waiting.close()

    def ask(self, question: Question, workers: Collection[str]) -> Replies:
        text = _encode(_Asked(question.id, question.kind, msgspec.Raw(question.body)))
        if len(text) > MAX_QUESTION:
            raise ValueError(f"a question of {len(text)} bytes; the limit is {MAX_QUESTION}")
        until = time.monotonic() + self._patience
        replies: dict[str, Reply] = {}
        if not workers:
            return replies
        with translated("the workers cannot be asked"):
            with self._client.pipeline(transaction=False) as together:
                for worker in workers:
                    self._push(together, self._questions(worker), text)
                together.execute()
            answers = self._answers(question.id)
            while len(replies) < len(workers) and (left := until - time.monotonic()) > 0.01:
                found = self._client.blpop([answers], left)
                if found is None:
                    break
                said = _read(found[1])
                if said is not None and said.worker in workers:
                    replies.setdefault(said.worker, Reply(bytes(said.body), said.code))
        return replies

    def _run(self, answer: Answer) -> None:
        """Answer one question after the other until ``stop``."""
        questions = self._questions(self._worker)
        while not self._stopping.is_set():
            try:
                found = self._waiting.blpop([questions], BLOCK)
                if found is not None and found[1]:
                    self._take(answer, found[1])
            except redis.RedisError as err:
                log.debug("inquiries_not_heard", extra={"error": type(err).__name__})
                self._stopping.wait(RETRY)

    def _take(self, answer: Answer, text: bytes) -> None:
        try:
            if len(text) > MAX_QUESTION:
                raise ValueError("too long")
            asked = _asked.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            log.warning("inquiry_dropped", extra={"why": "not a question", "bytes": len(text)})
            return
        reply = bounded(answer(Question(asked.kind, bytes(asked.body), asked.id)))
        said = _encode(_Said(self._worker, msgspec.Raw(reply.body), reply.code))
        with self._client.pipeline(transaction=False) as together:
            self._push(together, self._answers(asked.id), said)
            together.execute()

    def _push(self, client: redis.Redis, key: str, text: bytes) -> None:
        client.rpush(key, text)
        client.ltrim(key, -MOST_WAITING, -1)
        client.pexpire(key, LIVES_MS)

    def _questions(self, worker: str) -> str:
        return f"{self._prefix}:asked:{worker}"

    def _answers(self, question_id: str) -> str:
        return f"{self._prefix}:answers:{question_id}"


def bounded(reply: Reply) -> Reply:
    """The reply, or that it is too large to be sent."""
    return reply if len(reply.body) <= MAX_ANSWER else Reply(bytes(_NULL), "answer_too_large")


def _read(text: bytes) -> _Said | None:
    """What a worker said; None for what is not an answer: others may write to Redis too."""
    try:
        return _said.decode(text) if len(text) <= MAX_ANSWER + 1_000 else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
