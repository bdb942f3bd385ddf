"""``flask channels``: who listens where, who is a member, and what the logs hold."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField
from mechamap.domain.members import MAX_PAGE
from mechamap.domain.recovery import offset_text, parse_offset
from mechamap.hub.history import MOST_EVENTS, opened

from .channel_rules import explain, rules
from .cluster import operations_of, told_silent
from .command import Nouns, confirm, json_option, pass_services, yes_option
from .printing import counted, fields, note, print_json, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.services import Services

group = Nouns("channels", help="Channels: who listens, who may, and why.")
for _command in (rules, explain):
    group.add_command(_command)


@group.command("list")
@json_option
@pass_services
def list_channels(services: "Services", as_json: bool) -> None:
    """List the channels that have subscribers, busiest first."""
    rows = operations_of(services).channels()
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        table(
            ("SUBSCRIBERS", "CHANNEL", "KIND"),
            [(f"{row.subscribers:,}", row.name, row.kind) for row in rows],
            flexible=1,
            right=(0,),
        )
    else:
        note("No channel has a subscriber at the moment.")


@group.command("history")
@click.argument("channel")
@click.option("--limit", type=click.IntRange(1, MOST_EVENTS), default=20, help="The newest so many (20).")
@click.option("--since", metavar="EPOCH.OFFSET", help="The first after this position instead.")
@json_option
@pass_services
def history(services: "Services", channel: str, limit: int, since: str | None, as_json: bool) -> None:
    """Print what a channel's log holds, oldest first. That their data was read is in the audit log.

    \b
    flask channels history public.announcements --limit 5
    flask channels history private-user.22 --since kT3x_9aQ.1041 --json
    """
    position = parse_offset(since)
    if since is not None and position is None:
        raise InvalidField("since", "A position looks like kT3x_9aQ.1041.", code="since_invalid")
    found = operations_of(services).history(channel, position, limit)
    if found.events:
        services.audit.record(
            actor(), Act.EVENT_OPEN, f"channel:{found.channel}", detail=opened(found.events)
        )
    if as_json:
        print_json(asdict(found))
        return
    if found.events:
        table(
            ("OFFSET", "AT", "EVENT", "DATA"),
            [
                (past.offset, past.at, past.event, json.dumps(past.data, ensure_ascii=False))
                for past in found.events
            ],
            flexible=3,
            right=(0,),
        )
    else:
        note("The log holds no event of this channel." if position is None else "Nothing since then.")
    if not found.complete:
        note(f"There may have been others ({found.reason}).")
    note(f"The next position is {offset_text(found.epoch, found.position)}.")


@group.command("members")
@click.argument("channel")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Go on after the user with this id.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=100, show_default=True, help="Page size.")
@json_option
@pass_services
def members(services: "Services", channel: str, after: int, limit: int, as_json: bool) -> None:
    """List the members of a presence channel, by id."""
    page = operations_of(services).members(services.parse_channel(channel), after, limit)
    if as_json:
        print_json(page.shown())
    elif page.members:
        table(
            ("USER", "NAME"),
            [(member.user_id, member.name or "") for member in page.members],
            flexible=1,
            right=(0,),
        )
        if page.after is not None:
            note(f"{len(page.members):,} of {page.total:,}; go on with --after {page.after}")
    elif page.total:
        note(f"None of the {page.total:,} members comes after {after}.")
    else:
        note("The channel has no member at the moment.")


@group.command("show")
@click.argument("channel")
@json_option
@pass_services
def show(services: "Services", channel: str, as_json: bool) -> None:
    """Tell who listens to a channel, how busy it is, and what its log holds."""
    operations, wanted = operations_of(services), services.parse_channel(channel)
    seen, reach = operations.channel(wanted), operations.reach(wanted)
    if as_json:
        names = {"channel": wanted.name, "canonical": wanted.canonical}
        print_json({**names, "reach": asdict(reach), **asdict(seen)})
        return
    state, over = seen.log, "over " if seen.at_least else ""
    extent = f", offsets {state.first} to {state.last}" if state.events else ""
    fields(
        (
            ("channel", f"{wanted.name} ({wanted.canonical})"),
            ("listens", f"{counted(reach.connections, 'connection')} on {counted(reach.workers, 'worker')}"),
            ("dialects", _counts(reach.dialects)),
            ("transports", _counts(reach.transports)),
            ("log", f"{counted(state.events, 'event')}, {state.bytes:,} bytes{extent}"),
            ("newest event", state.newest or "none is remembered"),
            ("epoch", state.epoch or "none yet"),
            ("last minute", f"{over}{counted(seen.per_minute, 'event')}"),
        )
    )
    if seen.events:
        click.echo()
        table(
            ("OFFSET", "AT", "EVENT", "BYTES", "ORIGIN"),
            [(each.offset, each.moment, each.event, each.size, each.origin or "") for each in seen.events],
            flexible=2,
            right=(0, 3),
        )
    told_silent(reach.silent)


@group.command("purge")
@click.argument("channel")
@yes_option
@json_option
@pass_services
def purge(services: "Services", channel: str, yes: bool, as_json: bool) -> None:
    """Empty a channel's log.

    Pages that come back for what was in it are told `trimmed`. Live subscribers notice nothing.
    """
    operations, wanted = operations_of(services), services.parse_channel(channel)
    held = operations.channel(wanted).log.events
    confirm(f"Purge {counted(held, 'event')} from the log of {wanted.name}?", yes=yes)
    with audited(services.audit, Act.CHANNEL_PURGE, f"channel:{wanted.name}"):
        held = operations.purge(wanted)
    if as_json:
        print_json({"channel": wanted.name, "events": held})
    else:
        click.echo(f"The log of {wanted.name} is empty; it held {counted(held, 'event')}.")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items())) or "nobody"
