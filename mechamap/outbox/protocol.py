"""What the relay needs from the table and the meters, and what it says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

ORIGIN = "laravel-outbox"


@dataclass(frozen=True, slots=True)
class Pending:
    """A row that waits: ``size`` is bytes of what it holds, ``age`` seconds since it was written."""

    id: int
    size: int
    age: float


@dataclass(frozen=True, slots=True)
class Row:
    """What Laravel wrote, unread: texts are bytes as they are stored."""

    id: int
    uuid: bytes
    channels: bytes
    event: bytes
    data: bytes
    except_socket: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row can never be published: a stable code and one sentence."""

    code: str
    reason: str


class OutboxTable(Protocol):
    """Laravel's table ``rt_outbox``. Every method raises ``Unavailable`` when it cannot be asked."""

    def pending(self, limit: int) -> list[Pending]:
        """The first rows, by id, of one look at everything that is committed and waits."""

    def read(self, ids: Sequence[int]) -> list[Row]:
        """Those of the rows that still wait, by id."""

    def settle(self, published: Mapping[int, str], refused: Mapping[int, Refusal]) -> None:
        """Delete the ones, by id and uuid, and make dead letters of the others: together or not at all. May
        be repeated.

        By uuid too, because an id may come back: after a TRUNCATE, and after a crash of a database that does
        not write its log at each commit.
        """

    def oldest(self) -> float:
        """Seconds since the first row that waits was written; 0 if none does."""

    def dead_count(self) -> int:
        """How many dead letters there are."""


class OutboxMeter(Protocol):
    """Counts what became of rows."""

    def relayed(self, code: str, count: int = 1) -> None:
        """So many rows ended as ``accepted``, or as dead letters with this code."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How it is now.

    Attributes:
        ok: rows are being published, by this worker or another.
        detail: one sentence for operators, without addresses or secrets.
        leader: whether this worker is the one.
        lag: seconds since the first row that waits was written, as far as this worker knows.
        dead: dead letters in the table when the leader last counted; 0 in other workers.
    """

    ok: bool
    detail: str
    leader: bool
    lag: float
    dead: int
