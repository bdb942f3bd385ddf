"""The live console's question to all workers: what happened since the last time that it wants to see."""

import re
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

from mechamap.domain.errors import InvalidField

from .inquiries import Inquiries
from .tap import Filter, Tap, Watch, Watched

KIND = "watch"
MOST_WORKERS = 200
"""Cursors of one question."""
_CONSOLE = re.compile(r"[0-9a-f]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a console is shown.

    Attributes:
        records: of all workers, in the order of their clocks; each names its ``worker``.
        cursors: to ask with the next time.
        skipped: how many were lost because there were too many.
        silent: slots of live workers that did not answer.
    """

    records: list[dict[str, Any]]
    cursors: dict[str, int]
    skipped: int
    silent: tuple[int, ...]


def new_console() -> str:
    """A name for a page that watches."""
    return secrets.token_hex(12)


class Watches(Protocol):
    """Whoever looks at all workers: this process, or the running server for a command line without Redis."""

    def see(self, console: str, wants: Filter, cursors: dict[str, int]) -> Seen:
        """What the console has not seen.

        Raises:
            InvalidField: ``console`` is not one of ``new_console``.
            BrokerUnavailable: nobody can be asked.
        """


class Watching:
    """Works in any process that reaches the workers."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries

    def answer_with(self, tap: Tap, worker_id: str) -> None:
        """This process is a worker, and answers too."""

        def answer(watch: Watch) -> Watched:
            return tap.watch(watch.console, watch.wants, watch.cursors.get(worker_id))

        self._inquiries.answers(KIND, Watch, answer)

    def see(self, console: str, wants: Filter, cursors: dict[str, int]) -> Seen:
        """See ``Watches``."""
        if not _CONSOLE.fullmatch(console):
            raise InvalidField("console", "This is not the name of a console.", code="console_invalid")
        known = dict(list(cursors.items())[:MOST_WORKERS])
        answered = self._inquiries.ask(KIND, Watch(console, wants, known), Watched)
        records = [
            {**record, "worker": worker}
            for worker, watched in answered.answers.items()
            for record in watched.records
        ]
        told = {worker: watched.next for worker, watched in answered.answers.items()}
        # one that was silent is asked on from where it was
        still = {each.id: known[each.id] for each in answered.silent if each.id in known}
        return Seen(
            sorted(records, key=lambda record: record["at"]),
            still | told,
            sum(watched.skipped for watched in answered.answers.values()),
            tuple(sorted(each.slot for each in answered.silent)),
        )
