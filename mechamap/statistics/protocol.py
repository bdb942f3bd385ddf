"""Where workers put their samples, and where whoever watches finds those of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.statistics import Pulse, Sample


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found: the latest pulse of each worker, dead ones too, and samples in no order."""

    pulses: tuple[Pulse, ...]
    samples: tuple[Sample, ...]


class Ring(Protocol):
    """The samples of the last hour, bounded by it: later ones take the places of those an hour older."""

    def write(self, pulse: Pulse, samples: Sequence[Sample]) -> int:
        """Keep this worker's pulse instead of the one before, and samples, each instead of one of the same
        time; how many of this worker's samples are kept now.

        Raises:
            BrokerUnavailable: they may or may not be kept.
        """

    def read(self, since: int) -> Reading:
        """The pulses, and the samples of all workers of the last hour that began at ``since`` or later.

        Raises:
            BrokerUnavailable
        """
