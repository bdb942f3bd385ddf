"""How this process reaches the live connections: through Redis, or without one through the running server."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mechamap.domain.commands import Command
from mechamap.domain.errors import BrokerUnavailable
from mechamap.hub.operations import Operations
from mechamap.presence.protocol import WorkerRecord

from .printing import counted, note

if TYPE_CHECKING:
    from mechamap.services import Services


def operations_of(services: "Services") -> Operations:
    """Operations that see every connection of the installation.

    Without Redis the broker of this process knows this process alone: a broadcast into it would report
    success and reach nobody.
    """
    settings = services.settings
    if settings.redis_url is not None:
        return services.operations
    from .remote import RemoteOperations

    return RemoteOperations(settings.base_url, settings.secret_key, settings.ssl_cert_path)


def give(services: "Services") -> Callable[[Command], int]:
    """Orders connections to be closed. What was written before stands even where nobody can be told, so that
    is a remark and no failure: servers read it within seconds."""

    def order(command: Command) -> int:
        try:
            return operations_of(services).kick(command)
        except BrokerUnavailable as err:
            note(f"It is written down, but live connections could not be reached: {err.message}")
            return 0

    return order


def told_silent(workers: Sequence[WorkerRecord]) -> None:
    """Say which workers are missing in an answer."""
    for worker in workers:
        note(f"Worker {worker.slot} ({counted(worker.connections, 'connection')}) did not answer.")
