"""The cluster at one moment, as the console shows it, with the reason where something could not be had."""

from dataclasses import dataclass

from mechamap.domain.errors import Unavailable
from mechamap.health import Check
from mechamap.hub.operations import ChannelRow, Totals
from mechamap.presence.protocol import WorkerRecord
from mechamap.services import Services


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``problem`` set means that totals, workers and channels are unknown, which is not zero."""

    checks: list[Check]
    totals: Totals | None
    workers: list[WorkerRecord]
    channels: list[ChannelRow]
    problem: Unavailable | None

    @property
    def spoken(self) -> str:
        """The state in one sentence, for people who listen to the page."""
        if self.totals is None:
            return f"The cluster cannot be asked. {self.problem}"
        failed = [check.name for check in self.checks if not check.ok]
        state = f"{', '.join(failed)} not well" if failed else "all checks well"
        return f"{self.totals.connections} connections of {self.totals.users} users; {state}."


def take(services: Services) -> Snapshot:
    """Ask the cluster now. One that cannot be asked is a snapshot that says so."""
    checks = services.runtime.checks()
    operations = services.operations
    try:
        return Snapshot(checks, operations.totals(), operations.workers(), operations.channels(), None)
    except Unavailable as err:
        return Snapshot(checks, None, [], [], err)
