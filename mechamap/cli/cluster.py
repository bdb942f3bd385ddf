"""How this process reaches the live connections: through Redis, or without one through the running server."""

from typing import TYPE_CHECKING

from mechamap.hub.operations import Operations

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
