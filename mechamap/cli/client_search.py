"""``flask clients find`` and ``show``: live connections as their workers know them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mechamap.domain.dialects import Dialect
from mechamap.domain.identity import TokenKind
from mechamap.domain.searching import MAX_PAGE, Order, Search, read_place, shown_place

from .cluster import operations_of, told_silent
from .command import Command, json_option, pass_services
from .durations import Duration
from .printing import ago, counted, fields, moment, note, print_json, table

if TYPE_CHECKING:
    from mechamap.services import Services


def _search_options(function):
    """The criteria of a search, as the console has them."""
    for option in reversed(
        (
            click.argument("text", default="", required=False),
            click.option("--user", "user_id", type=click.IntRange(min=1), metavar="ID", help="Of this user."),
            click.option("--channel", default="", metavar="TEXT", help="Part of a channel's name."),
            click.option("--address", default="", metavar="TEXT", help="Part of the address."),
            click.option("--worker", default="", metavar="ID", help="On this worker."),
            click.option("--transport", type=click.Choice(("websocket", "polling"))),
            click.option("--dialect", type=click.Choice([each.value for each in Dialect])),
            click.option("--kind", type=click.Choice([each.value for each in TokenKind])),
            click.option("--older-than", "age", type=Duration(10**9), default=0, help="Such as 10m or 1d."),
            click.option(
                "--queue",
                type=click.IntRange(min=0),
                default=0,
                metavar="BYTES",
                help="At least so many wait.",
            ),
            click.option(
                "--first",
                "order",
                type=click.Choice([each.value for each in Order]),
                default=Order.NEWEST.value,
                show_default=True,
            ),
            click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True),
            click.option("--after", metavar="PLACE", help="Go on there: what the page before said."),
        )
    ):
        function = option(function)
    return function


@click.command("find", cls=Command)
@_search_options
@json_option
@pass_services
def find(
    services: "Services",
    text: str,
    transport: str | None,
    dialect: str | None,
    kind: str | None,
    order: str,
    after: str | None,
    age: int,
    queue: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Search live connections on all workers.

    TEXT is a user's id, or part of a name, role, address, id or channel.
    """
    search = Search(
        text=text,
        transport=transport or "",
        dialect=Dialect(dialect) if dialect else None,
        kind=TokenKind(kind) if kind else None,
        min_age=age,
        min_queued=queue,
        order=Order(order),
        after=read_place(after or ""),
        **given,
    )
    found = operations_of(services).find(search)
    later = shown_place(found.after) if found.after is not None else None
    if as_json:
        print_json({**asdict(found), "after": later})
    elif found.rows:
        table(
            ("USER", "VIA", "FOR", "WAITING", "CHANNELS", "ID"),
            [
                (
                    f"{row.user_id} {row.name or ''}".strip(),
                    row.transport,
                    ago(row.connected_at),
                    row.queued_bytes,
                    row.subscriptions,
                    row.sid,
                )
                for row in found.rows
            ],
            flexible=0,
            right=(2, 3, 4),
        )
        note(f"{counted(found.matches, 'connection')} match{'es' if found.matches == 1 else ''}.")
    else:
        note("No connection matches.")
    if later is not None and not as_json:
        note(f"Go on with --after {later}")
    told_silent(found.silent)


@click.command("show", cls=Command)
@click.argument("sid")
@json_option
@pass_services
def show(services: "Services", sid: str, as_json: bool) -> None:
    """Tell everything about one connection."""
    seen = operations_of(services).connection(sid)
    if as_json:
        print_json(asdict(seen))
        return
    record, full = seen.record, seen.full
    told: list[tuple[str, object]] = [
        ("user", f"{record.user_id} {record.name or ''}".strip()),
        ("role", record.role),
        ("signed in by", f"{record.kind}{f', token {full.token}' if full and full.token else ''}"),
        ("until", moment(record.expires_at) if record.expires_at else "it is revoked"),
        ("address", record.address),
        ("browser", record.user_agent),
        ("connected", moment(record.connected_at)),
        ("worker", record.worker),
        ("transport", full.row.transport if full else record.transport),
    ]
    if full is not None:
        told += [
            ("dialect", full.row.dialect),
            ("waiting", f"{full.row.queued_bytes:,} bytes in {counted(full.row.queued_packets, 'packet')}"),
            ("session", f"has all up to {full.received} of epoch {full.epoch}" if full.session else "none"),
        ]
        told += [
            (f"channel {each.name}", f"{each.dialect}, since {moment(each.joined_at)}, behind {each.since}")
            for each in full.channels
        ]
        told += [
            (f"event {each.offset}", f"{each.event} in {each.channel}, {each.size:,} bytes, {each.moment}")
            for each in seen.events
        ]
    fields(told)
    if full is None:
        note("Its worker did not answer; what only that knows is missing.")
