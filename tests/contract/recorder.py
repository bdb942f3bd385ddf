"""A worker's end of a broker that writes down what arrives."""

from collections.abc import Callable, Collection

from mechamap.domain.channels import parse_channel
from mechamap.domain.commands import Command
from mechamap.domain.history import Gap
from mechamap.domain.idempotency import Once
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication


class Recorder:
    """Implements ``BrokerEvents``. ``then`` runs inside each delivery."""

    def __init__(self, then: Callable[[Publication], None] | None = None) -> None:
        self.publications: list[Publication] = []
        self.commands: list[Command] = []
        self.gaps: list[tuple[list[str], Gap]] = []
        self.then = then

    def on_publication(self, publication: Publication) -> None:
        self.publications.append(publication)
        if self.then is not None:
            self.then(publication)

    def on_command(self, command: Command) -> None:
        self.commands.append(command)

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        self.gaps.append((sorted(channels), reason))

    @property
    def events(self) -> list[str]:
        return [publication.event for publication in self.publications]


def event(
    name: str, *channels: str, data: object = None, called: str | None = None, origin: str = "server"
) -> Publication:
    """A publication to channels in the plan's spelling; ``public.news`` unless told otherwise.

    ``called`` is its publisher's own name for it.
    """
    named = tuple(parse_channel(channel) for channel in channels or ("public.news",))
    payload = payload_of(data)
    once = None if called is None else Once.of(origin, called, named, name, payload)
    return Publication(named, name, payload, origin=origin, once=once)
