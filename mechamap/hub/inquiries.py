"""Asking the workers: one mechanism for every question that only who holds a connection can answer.

Whoever has answers registers them under a kind (``answers``); whoever asks says what type comes back. Answers
are data of another process and are read against that type.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from mechamap.broker.protocol import Inquiries as Asking
from mechamap.domain.errors import RealtimeError
from mechamap.domain.inquiries import Question, Reply
from mechamap.presence.protocol import Roster, WorkerRecord

log = logging.getLogger(__name__)

T = TypeVar("T")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What workers said.

    Attributes:
        answers: by worker id.
        silent: live workers whose answer did not come in time, was refused, or cannot be read.
    """

    answers: dict[str, T]
    silent: tuple[WorkerRecord, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everybody who was asked answered."""
        return not self.silent


class Inquiries:
    """Both sides of one process: it answers as a worker, and asks for the edges."""

    def __init__(self, asking: Asking, roster: Roster) -> None:
        self._asking = asking
        self._roster = roster
        self._answerers: dict[str, Callable[[bytes], bytes]] = {}

    def answers(self, kind: str, wanted: type[Q], answerer: Callable[[Q], object]) -> None:
        """From now on ``answerer`` answers questions of this kind, given as ``wanted``; what it returns is
        encoded as JSON (dataclasses, structs, lists …). It may yield, and had better in long work."""
        decode = msgspec.json.Decoder(wanted).decode
        self._answerers[kind] = lambda body: msgspec.json.encode(answerer(decode(body)))

    def answer(self, question: Question) -> Reply:
        """This worker's answer. Never raises."""
        answerer = self._answerers.get(question.kind)
        if answerer is None:
            return Reply(b"null", "question_unknown")
        try:
            return Reply(answerer(question.body))
        except RealtimeError as err:
            return Reply(b"null", err.code)
        except (msgspec.MsgspecError, RecursionError):
            return Reply(b"null", "question_malformed")
        except Exception:
            log.exception("inquiry_failed", extra={"kind": question.kind})
            return Reply(b"null", "internal_error")

    def ask(self, kind: str, asked: object, into: type[T] | Any, worker: str | None = None) -> Answered[T]:
        """Ask every live worker, or only the one with this id, for at most half a second.

        Args:
            asked: what the kind's answerer wants.
            into: type of an answer.

        Raises:
            BrokerUnavailable: nobody can be asked.
        """
        live = [each for each in self._roster.workers() if worker is None or each.id == worker]
        question = Question(kind, msgspec.json.encode(asked))
        replies = self._asking.ask(question, [each.id for each in live])
        decoder = msgspec.json.Decoder(into)
        answers: dict[str, T] = {}
        for one, reply in replies.items():
            try:
                if reply.code is None:
                    answers[one] = decoder.decode(reply.body)
                    continue
                code = reply.code
            except (msgspec.MsgspecError, ValueError, RecursionError):
                code = "answer_malformed"
            log.warning("inquiry_refused", extra={"kind": kind, "worker": one, "code": code})
        return Answered(answers, tuple(each for each in live if each.id not in answers))
