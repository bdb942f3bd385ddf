"""How this process reaches the live connections: through Redis, or without one through the running server."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mechamap.domain.commands import Command
from mechamap.domain.errors import BrokerUnavailable
from mechamap.hub.explaining import Explains
from mechamap.hub.operations import Operations
from mechamap.hub.watching import Watches
from mechamap.presence.protocol import WorkerRecord

from .printing import counted, note

if TYPE_CHECKING:
    from mechamap.services import Services

    from .remote import RemoteOperations


def operations_of(services: "Services") -> Operations:
    """Operations that see every connection of the installation.

    Without Redis the broker of this process knows this process alone: a broadcast into it would report
    success and reach nobody.
    """
    return services.operations if services.settings.redis_url is not None else _remote(services)


def explains_of(services: "Services") -> Explains:
    """Likewise who explains what became of an event."""
    return services.explaining if services.settings.redis_url is not None else _remote(services)


def watches_of(services: "Services") -> Watches:
    """Likewise who sees what happens now."""
    return services.watching if services.settings.redis_url is not None else _remote(services)


def _remote(services: "Services") -> "RemoteOperations":
    from .remote import RemoteOperations

    settings = services.settings
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
