"""``flask webhooks``: what Laravel was to be told and did not take, and a trial whether it takes anything."""

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import NotFound, Unavailable

from .command import Nouns, confirm, json_option, pass_services, yes_option
from .printing import ago, counted, fields, note, print_json, span, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.services import Services
    from mechamap.store.webhooks import FailedWebhook
    from mechamap.webhooks.delivery import Delivery

MOST_SHOWN = 1_000
OFF = "Webhooks are off: WEBHOOK_URL says where Laravel is told."

group = Nouns("webhooks", help="What Laravel is told of its channels.")

_which = click.argument("failure_ids", metavar="ID...", type=click.IntRange(1), nargs=-1)


@group.command("status")
@json_option
@pass_services
def status(services: "Services", as_json: bool) -> None:
    """Say where webhooks go, what waits and since when, and how many were given up."""
    webhooks, shared = services.webhooks, services.settings.redis_url is not None
    dead = services.webhook_failures.count()
    if webhooks is None:
        if as_json:
            print_json({"on": False, "receivers": [], "dead": dead})
            return
        note(OFF)
        fields((("dead", f"{dead:,}"),))
        return
    waiting = webhooks.waiting() if shared else (None,) * len(webhooks.deliveries)
    receivers = [
        {"url": each.url, **({} if queue is None else asdict(queue))}
        for each, queue in zip(webhooks.deliveries, waiting, strict=True)
    ]
    if as_json:
        events = [event.value for event in services.settings.webhook_events]
        print_json({"on": True, "events": events, "receivers": receivers, "dead": dead})
        return
    for each, queue in zip(webhooks.deliveries, waiting, strict=True):
        if queue is None:
            said = "without Redis the worker alone knows what waits: /metrics"
        elif not queue.events:
            said = "nothing"
        else:
            said = f"{counted(queue.events, 'event')}, the first for {span(queue.age)}"
        failing = "" if queue is None or queue.failure is None else f" ({queue.failure})"
        fields((("receiver", each.url), ("waiting", said + failing)))
    fields((("dead", f"{dead:,}"),))


@group.command("list")
@click.option("--limit", type=click.IntRange(1, MOST_SHOWN), default=50, show_default=True, help="At most.")
@json_option
@pass_services
def list_failures(services: "Services", limit: int, as_json: bool) -> None:
    """List the webhooks that were given up, newest first."""
    failures = services.webhook_failures.recent(limit)
    if as_json:
        print_json([asdict(failure) for failure in failures])
        return
    if not failures:
        note("No webhook was given up.")
        return
    table(
        ("ID", "AGE", "EVENTS", "TRIES", "WHY", "RECEIVER"),
        [
            (each.id, ago(each.failed_at), each.count, each.attempts, each.code, each.receiver)
            for each in failures
        ],
        flexible=5,
        right=(0, 2, 3),
    )


@group.command("show")
@click.argument("failure_id", metavar="ID", type=click.IntRange(1))
@json_option
@pass_services
def show(services: "Services", failure_id: int, as_json: bool) -> None:
    """Show one with its events."""
    failure, events = services.webhook_failures.find(failure_id)
    if as_json:  # with what browsers whispered
        what = counted(failure.count, "event")
        services.audit.record(actor(), Act.EVENT_OPEN, f"webhook:{failure_id}", detail=what)
        print_json({**asdict(failure), "events": events})
        return
    fields(
        (
            ("id", failure.id),
            ("batch", failure.batch_id),
            ("receiver", failure.receiver),
            ("given up", f"{ago(failure.failed_at)} ago after {counted(failure.attempts, 'attempt')}"),
            ("why", failure.code),
        )
    )
    table(
        ("EVENT", "CHANNEL", "ABOUT"),
        [
            (each.get("name"), each.get("channel"), each.get("event") or each.get("user_id") or "")
            for each in events
        ],
        flexible=1,
    )


@group.command("retry")
@_which
@click.option("--all", "every", is_flag=True, help="All of them, oldest first.")
@json_option
@pass_services
def retry(services: "Services", failure_ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Send them now, from here. What Laravel takes is done with; the first that it does not ends this."""
    chosen = _chosen(services, failure_ids, every)
    if not as_json and not chosen:
        note("No webhook was given up.")
    done = []
    for failure_id in chosen:
        failure, events = services.webhook_failures.find(failure_id)
        with audited(services.audit, Act.WEBHOOK_RETRY, f"webhook:{failure_id}"):
            _send(services, failure, events)
        done.append(failure_id)
        if not as_json:
            click.echo(f"Laravel took webhook {failure_id} with {counted(failure.count, 'event')}.")
    if as_json:
        print_json({"delivered": done})


@group.command("drop")
@_which
@click.option("--all", "every", is_flag=True, help="All of them.")
@yes_option
@json_option
@pass_services
def drop(services: "Services", failure_ids: tuple[int, ...], every: bool, yes: bool, as_json: bool) -> None:
    """Delete them: Laravel will never be told. This cannot be undone."""
    chosen = _chosen(services, failure_ids, every)
    for failure_id in failure_ids:
        services.webhook_failures.find(failure_id)
    confirm(f"Drop {counted(len(chosen), 'webhook')}? Laravel is not told of their events.", yes=yes)
    target = f"webhook:{'all' if every else ', '.join(map(str, chosen))}"
    with audited(services.audit, Act.WEBHOOK_DROP, target, detail=counted(len(chosen), "webhook")):
        dropped = services.webhook_failures.remove(chosen)
    if as_json:
        print_json({"dropped": dropped})
        return
    click.echo(f"{counted(dropped, 'webhook')} dropped.")


@group.command("test")
@json_option
@pass_services
def test(services: "Services", as_json: bool) -> None:
    """Send a webhook without events to every receiver and say what it answers."""
    webhooks = services.webhooks
    if webhooks is None:
        raise NotFound(OFF, code="webhooks_off")
    outcomes = [(each.url, each.send((), secrets.token_hex(16))) for each in webhooks.deliveries]
    if as_json:
        print_json(
            [{"url": url, "code": outcome.code, "detail": outcome.detail} for url, outcome in outcomes]
        )
    else:
        for url, outcome in outcomes:
            fields(((url, f"{outcome.detail} ({outcome.code})"),))
    if not all(outcome.ok for _, outcome in outcomes):
        raise click.exceptions.Exit(1)


def _chosen(services: "Services", failure_ids: tuple[int, ...], every: bool) -> tuple[int, ...]:
    if every == bool(failure_ids):
        raise click.UsageError("Give the ids of `flask webhooks list`, or --all.")
    return services.webhook_failures.ids() if every else failure_ids


def _send(services: "Services", failure: "FailedWebhook", events: list[dict[str, object]]) -> None:
    """Once.

    Raises:
        Unavailable: it was not taken, and stays.
    """
    outcome = _receiver(services, failure).send(_texts(events), failure.batch_id)
    if not outcome.ok:
        services.webhook_failures.failed_again(failure.id, outcome.code)
        raise Unavailable(f"Webhook {failure.id} stays: {outcome.detail}", code=outcome.code)
    services.webhook_failures.remove((failure.id,))


def _texts(events: list[dict[str, object]]) -> tuple[bytes, ...]:
    from mechamap.domain.payloads import payload_of

    return tuple(payload_of(event) for event in events)


def _receiver(services: "Services", failure: "FailedWebhook") -> "Delivery":
    """Where it was to go, or, if that is not configured any more, the one receiver there is."""
    deliveries = () if services.webhooks is None else services.webhooks.deliveries
    if not deliveries:
        raise NotFound(OFF, code="webhooks_off")
    same = [each for each in deliveries if each.url == failure.receiver]
    if same or len(deliveries) == 1:
        return (same or deliveries)[0]
    raise NotFound(
        f"WEBHOOK_URL no longer has {failure.receiver}, and more than one other; drop the webhook, or set "
        "WEBHOOK_URL to one address for this command.",
        code="webhook_receiver_unknown",
    )
