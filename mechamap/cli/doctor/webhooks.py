"""Webhooks: does every receiver take one, and did all of them take everything."""

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mechamap.cli.printing import counted
from mechamap.domain.errors import RealtimeError

from .finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from mechamap.services import Services
    from mechamap.webhooks.delivery import Delivery

AREA = "Webhooks"
_MEND = {
    "webhook_unreachable": "Mend WEBHOOK_URL, or start Laravel.",
    "webhook_certificate": "Give Laravel a certificate that this machine trusts.",
    "webhook_timeout": "Let Laravel's route queue its work and answer at once.",
    "webhook_status_3xx": "Set WEBHOOK_URL to where it leads: redirects are not followed.",
    "webhook_status_4xx": "See that the route is outside CSRF protection and checks with the same secret.",
    "webhook_status_5xx": "Laravel's log says what went wrong.",
    "app_unknown": "Set WEBHOOK_APP to an id of `flask apps list`.",
    "app_disabled": "`flask apps enable` lets it sign again.",
    "app_secret_unreadable": "`flask apps rotate` makes it a new secret.",
}


def examine(services: "Services") -> Iterator[Finding]:
    """What there is to say where WEBHOOK_URL is set: each receiver is sent a webhook without events."""
    if services.webhooks is None:
        return
    for delivery in services.webhooks.deliveries:
        yield _receiver(delivery)
    try:
        dead = services.webhook_failures.count()
    except RealtimeError as err:
        yield fail(AREA, "given up", err.message, "Our own tables are made by `flask db upgrade`.")
        return
    if dead:
        said = f"{counted(dead, 'webhook')} could not be delivered."
        yield warn(
            AREA, "given up", said, "`flask webhooks list` says why; `flask webhooks retry --all` sends."
        )
    else:
        yield ok(AREA, "given up", "None had to be given up.")


def _receiver(delivery: "Delivery") -> Finding:
    outcome = delivery.send((), secrets.token_hex(16))
    if outcome.ok:
        return ok(AREA, "receiver", f"{delivery.url} takes webhooks.")
    said = f"{delivery.url} does not take webhooks: {outcome.detail}"
    return fail(AREA, "receiver", said, _MEND.get(outcome.code, "Mend it."))
