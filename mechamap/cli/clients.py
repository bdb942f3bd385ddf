"""``flask clients``: the live connections, and closing them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mechamap.auth.blocklist import LONGEST
from mechamap.domain.commands import Action, Command
from mechamap.domain.dialects import Dialect
from mechamap.domain.identity import TokenKind
from mechamap.domain.searching import MAX_PAGE, Order, Search, read_place, shown_place

from .closing import WATCHED, Closing
from .cluster import give, operations_of, told_silent
from .command import Nouns, confirm, json_option, pass_services, yes_option
from .durations import Duration
from .printing import ago, counted, fields, moment, note, print_json, span, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.services import Services

MAX_REASON = 200
"""Characters; the closed page shows it."""

BLOCKED = "An operator blocked this account for a time."

group = Nouns("clients", help="Live connections: find them, close them, block.")


@group.command("list")
@click.option("--user", "user_id", type=click.IntRange(min=1), metavar="ID", help="Of this user only.")
@click.option(
    "--limit",
    type=click.IntRange(1, WATCHED),
    default=100,
    show_default=True,
    metavar="N",
    help="At most so many.",
)
@json_option
@pass_services
def list_clients(services: "Services", user_id: int | None, limit: int, as_json: bool) -> None:
    """List live connections, newest first."""
    operations = operations_of(services)
    records = operations.clients(user_id=user_id, limit=limit)
    if as_json:
        print_json([asdict(record) for record in records])
        return
    if not records:
        note("Nobody is connected." if user_id is None else f"User {user_id} is not connected.")
        return
    table(
        ("USER", "VIA", "FOR", "CHANNELS", "ID"),
        [
            (
                f"{record.user_id} {record.name or ''}".strip(),
                record.transport,
                ago(record.connected_at),
                len(record.channels),
                record.sid,
            )
            for record in records
        ],
        flexible=0,
        right=(2, 3),
    )
    if len(records) == limit:
        total = operations.totals().connections
        if user_id is not None or total > limit:
            note(
                f"The newest {limit} are shown, --limit shows more; "
                f"in all there are {counted(total, 'connection')}."
            )


@group.command("kick")
@click.option("--sid", metavar="ID", help="One connection, by its id.")
@click.option(
    "--user", "user_id", type=click.IntRange(min=1), metavar="ID", help="Every connection of a user."
)
@click.option("--channel", metavar="NAME", help="Every connection subscribed to a channel.")
@click.option("--all", "everyone", is_flag=True, help="Every connection there is.")
@click.option("--reason", metavar="TEXT", help="One sentence that the closed page is told.")
@yes_option
@json_option
@pass_services
def kick(
    services: "Services",
    sid: str | None,
    user_id: int | None,
    channel: str | None,
    everyone: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Close connections, and see that they are gone.

    A closed page does not come back by itself, but its person may reload it.
    """
    if sum((sid is not None, user_id is not None, channel is not None, everyone)) != 1:
        raise click.UsageError("Say whom to close by exactly one of --sid, --user, --channel and --all.")
    if reason is not None and not 0 < len(reason.strip()) <= MAX_REASON:
        raise click.BadParameter(f"must have 1 to {MAX_REASON} characters", param_hint="--reason")
    canonical = None if channel is None else services.parse_channel(channel).canonical
    words = {} if reason is None else {"reason": reason.strip()}
    order = Command(Action.KICK, sid=sid, user_id=user_id, channel=canonical, everyone=everyone, **words)
    whom = _whom(order, channel)

    closing = Closing(operations_of(services), order)
    if not closing.named:
        if as_json:
            print_json({"named": 0, "closed": 0, "open": 0})
        else:
            note(
                "There is nothing to close: "
                + ("nobody is" if everyone else f"{whom} is not")
                + " connected."
            )
        return
    confirm(f"Close {counted(closing.named, 'connection')} of {whom}?", yes=yes)
    with audited(
        services.audit, "client.kick", whom, detail=f"{counted(closing.named, 'connection')}; {order.reason}"
    ):
        closing.order()
    left = closing.wait()
    if as_json:
        print_json({"named": closing.named, "closed": closing.named - left, "open": left})
    elif left:
        click.echo(f"{counted(closing.named - left, 'connection')} of {whom} closed.")
    else:
        click.echo(f"{counted(closing.named, 'connection')} of {whom} closed; none is left of them.")
    if left:
        raise click.ClickException(
            f"{counted(left, 'connection')} still open after {closing.patience:g} s; "
            "`flask workers list` shows whether every worker is alive."
        )


def _whom(order: Command, channel: str | None) -> str:
    if order.sid is not None:
        return f"connection {order.sid}"
    if order.user_id is not None:
        return f"user {order.user_id}"
    return "everyone" if order.everyone else f"channel {channel}"


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


@group.command("find")
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


@group.command("show")
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


@group.command("block")
@click.argument("user_id", type=click.IntRange(min=1, max=2**63 - 1))
@click.option(
    "--for", "seconds", type=Duration(LONGEST), default="1h", show_default=True, help="15m, 1h, 7d."
)
@click.option("--reason", default=BLOCKED, metavar="TEXT", help="One sentence that the closed page is told.")
@yes_option
@json_option
@pass_services
def block(services: "Services", user_id: int, seconds: int, reason: str, yes: bool, as_json: bool) -> None:
    """Close a user's connections and keep the user out for a time."""
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise click.BadParameter(f"must have 1 to {MAX_REASON} characters", param_hint="--reason")
    open_now = len(operations_of(services).clients(user_id=user_id, limit=WATCHED))
    confirm(
        f"Keep user {user_id} out for {span(seconds)} and close {counted(open_now, 'connection')}?", yes=yes
    )
    with audited(services.audit, "users.block", f"user:{user_id}", detail=f"for {span(seconds)}; {reason}"):
        record, closed = services.blocklist.block(user_id, seconds, reason.strip(), actor(), give(services))
    if as_json:
        print_json({**asdict(record), "connections": closed})
    else:
        click.echo(
            f"User {user_id} is kept out until {moment(record.until.timestamp())}; "
            f"{counted(closed, 'connection')} ordered to close."
        )


@group.command("unblock")
@click.argument("user_id", type=click.IntRange(min=1, max=2**63 - 1))
@json_option
@pass_services
def unblock(services: "Services", user_id: int, as_json: bool) -> None:
    """Let a blocked user in again."""
    with audited(services.audit, "users.unblock", f"user:{user_id}"):
        services.blocklist.unblock(user_id, give(services))
    if as_json:
        print_json({"user_id": user_id, "blocked": False})
    else:
        click.echo(f"User {user_id} may connect again.")


@group.command("blocked")
@json_option
@pass_services
def blocked(services: "Services", as_json: bool) -> None:
    """List the users who are kept out."""
    blocks = services.blocklist.live()
    if as_json:
        print_json([asdict(each) for each in blocks])
    elif blocks:
        table(
            ("USER", "UNTIL", "BY", "REASON"),
            [(each.user_id, moment(each.until.timestamp()), each.blocked_by, each.reason) for each in blocks],
            flexible=3,
            right=(0,),
        )
    else:
        note("Nobody is blocked.")


@group.command("revoke")
@click.argument("sid")
@yes_option
@json_option
@pass_services
def revoke(services: "Services", sid: str, yes: bool, as_json: bool) -> None:
    """Revoke the token that a connection came with, and close all that came with it.

    `flask tokens revoke` does the same with the token itself.
    """
    operations = operations_of(services)
    seen = operations.connection(sid)
    if seen.full is None:
        raise click.ClickException("The connection's worker did not answer; try again.")
    ref, user_id = seen.full.token, seen.record.user_id
    if not ref:
        raise click.ClickException("This is a guest's connection: it has no token.")
    named = operations.find(Search(token=ref, limit=1)).matches
    confirm(f"Revoke token {ref} of user {user_id} and close {counted(named, 'connection')}?", yes=yes)
    with audited(services.audit, "tokens.revoke", f"token:{ref}"):
        closed = services.revoking.ref(ref, seen.record.expires_at, user_id, operations.kick)
    if as_json:
        print_json({"token": ref, "user_id": user_id, "connections": closed})
    else:
        click.echo(f"Token {ref} opens nothing any more; {counted(closed, 'connection')} ordered to close.")
