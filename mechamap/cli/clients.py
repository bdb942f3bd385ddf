"""``flask clients``: the live connections, and closing them."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.commands import Action, Command

from .client_blocks import MAX_REASON, block, blocked, revoke, unblock
from .client_search import find, show
from .closing import WATCHED, Closing
from .cluster import operations_of
from .command import Nouns, confirm, json_option, pass_services, yes_option
from .printing import ago, counted, note, print_json, table
from .trail import audited

if TYPE_CHECKING:
    from mechamap.services import Services

group = Nouns("clients", help="Live connections: find them, close them, block.")
for _command in (find, show, block, unblock, blocked, revoke):
    group.add_command(_command)


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
        services.audit,
        Act.CONNECTION_CLOSE,
        _target(order, channel),
        detail=f"{counted(closing.named, 'connection')}; {order.reason}",
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


def _target(order: Command, channel: str | None) -> str:
    """The same for the audit log."""
    kind, _, name = _whom(order, channel).partition(" ")
    return f"{kind}:{name}" if name else kind
