"""``flask explain``: may a user join a channel, did an event reach one, why is a token refused."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.moments import iso
from mechamap.domain.when import read_moment
from mechamap.hub.event_search import Wanted
from mechamap.hub.explanation import Delivery, Found
from mechamap.hub.trace import Outcome

from .channel_rules import asks_laravel, explain
from .cluster import explains_of
from .command import Nouns, json_option, pass_services
from .printing import fields, heading, note, print_json, table

if TYPE_CHECKING:
    from mechamap.services import Services

REACHED = frozenset({Outcome.RECEIVED, Outcome.WRITTEN})

group = Nouns("explain", help="Why: of joining, of events, of tokens.")


@group.command("join")
@click.argument("user_id", type=click.IntRange(min=1))
@click.argument("channel")
@asks_laravel
@json_option
@click.pass_context
def join(ctx: click.Context, user_id: int, channel: str, token: str | None, as_json: bool) -> None:
    """Say whether a user may join a channel, and why; as `flask channels explain`."""
    ctx.invoke(explain, user_id=user_id, channel=channel, token=token, as_json=as_json)


@group.command("token")
@click.argument("token")
@json_option
@click.pass_context
def token(ctx: click.Context, token: str, as_json: bool) -> None:
    """Say why a token is refused, or whose it is; a dash reads it from standard input."""
    from .tokens import inspect_token

    ctx.invoke(inspect_token, token=token, as_json=as_json)


@group.command("event")
@click.argument("user_id", type=click.IntRange(min=1))
@click.argument("event", required=False, default="")
@click.option("--channel", help="Where it was published; without, the user's channels of now are tried.")
@click.option("--at", metavar="TIME", help="About when instead of which: 14:03:20, 2026-11-23 14:03.")
@json_option
@pass_services
def event(
    services: "Services", user_id: int, event: str, channel: str | None, at: str | None, as_json: bool
) -> None:
    """Say what became of an event at a user's connections.

    EVENT is its id, its offset or its position. Exit code 0: it reached the user as far as can be told; 3: it
    did not, or that cannot be told.

    \b
    flask explain event 22 kT3x_9aQ.1041
    flask explain event 22 --channel thread.7 --at 14:03:20
    """
    wanted = Wanted(
        event,
        services.parse_channel(channel) if channel else None,
        read_moment(at, services.settings.app_timezone, time.time()) if at else None,
    )
    told = explains_of(services).delivery(user_id, wanted)
    if as_json:
        print_json(asdict(told))
    else:
        _print(told)
    if told.outcome not in REACHED:
        sys.exit(3)


def _print(told: Delivery) -> None:
    click.secho(told.outcome, fg="green" if told.outcome in REACHED else "yellow", nl=False)
    click.echo(f"  {told.sentence}")
    for each in told.candidates:
        click.echo(f"  {each.epoch}.{each.offset}  {iso(each.accepted_at)}  {each.event}")
    if told.event is None:
        note(f"Looked for in the logs of {', '.join(told.searched)}.")
        return
    fields(_event(told.event), indent="  ")
    if told.connections:
        click.echo()
        heading(f"Connections of user {told.user_id}")
        table(
            ("OUTCOME", "WORKER", "CONNECTED", "UNTIL", "CONNECTION", "WHY"),
            [
                (
                    f"{at.trace.outcome.value}{' (replayed)' if at.trace.replayed else ''}",
                    at.slot,
                    iso(at.trace.connected_at) if at.trace.connected_at else "not remembered",
                    iso(at.trace.ended_at) if at.trace.ended_at else "now",
                    at.trace.sid,
                    at.trace.reason,
                )
                for at in told.connections
            ],
            flexible=5,
            right=(1,),
        )
    for sentence in told.unknown:
        note(sentence)


def _event(event: Found) -> list[tuple[str, object]]:
    return [
        ("event", event.event),
        ("channels", ", ".join(event.channels)),
        ("accepted", f"{iso(event.accepted_at)} from {event.origin}"),
        ("position", f"{event.epoch}.{event.offset}"),
        ("id", event.id),
        ("payload", f"{event.size:,} bytes"),
        *([("left out", event.except_id)] if event.except_id else []),
    ]
