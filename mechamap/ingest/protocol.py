"""What the ingester needs from the meters, and what it says of itself."""

from dataclasses import dataclass
from typing import Protocol


class IngestMeter(Protocol):
    """Counts what came in."""

    def ingested(self, code: str, count: int = 1) -> None:
        """So many messages ended as ``accepted``, or with the code of their refusal."""


@dataclass(frozen=True, slots=True)
class IngestState:
    """How it is now.

    Attributes:
        ok: messages are being ingested, by this worker or another.
        detail: one sentence for operators, without addresses or secrets.
        leader: whether this worker is the one.
        waiting: messages read and not yet published.
        lag: seconds the oldest of them has waited.
    """

    ok: bool
    detail: str
    leader: bool
    waiting: int
    lag: float
