"""``flask clients block``, ``unblock``, ``blocked`` and ``revoke``: keeping people and tokens out."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.auth.blocklist import LONGEST
from mechamap.domain.acts import Act
from mechamap.domain.searching import Search

from .closing import WATCHED
from .cluster import give, operations_of
from .command import Command, confirm, json_option, pass_services, yes_option
from .durations import Duration
from .printing import counted, moment, note, print_json, span, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.services import Services

MAX_REASON = 200
"""Characters; the closed page shows it."""
BLOCKED = "An operator blocked this account for a time."


@click.command("block", cls=Command)
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
    with audited(services.audit, Act.USER_BLOCK, f"user:{user_id}", detail=f"for {span(seconds)}; {reason}"):
        record, closed = services.blocklist.block(user_id, seconds, reason.strip(), actor(), give(services))
    if as_json:
        print_json({**asdict(record), "connections": closed})
    else:
        click.echo(
            f"User {user_id} is kept out until {moment(record.until.timestamp())}; "
            f"{counted(closed, 'connection')} ordered to close."
        )


@click.command("unblock", cls=Command)
@click.argument("user_id", type=click.IntRange(min=1, max=2**63 - 1))
@json_option
@pass_services
def unblock(services: "Services", user_id: int, as_json: bool) -> None:
    """Let a blocked user in again."""
    with audited(services.audit, Act.USER_UNBLOCK, f"user:{user_id}"):
        services.blocklist.unblock(user_id, give(services))
    if as_json:
        print_json({"user_id": user_id, "blocked": False})
    else:
        click.echo(f"User {user_id} may connect again.")


@click.command("blocked", cls=Command)
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


@click.command("revoke", cls=Command)
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
    with audited(services.audit, Act.TOKEN_REVOKE, f"token:{ref}"):
        closed = services.revoking.ref(ref, seen.record.expires_at, user_id, operations.kick)
    if as_json:
        print_json({"token": ref, "user_id": user_id, "connections": closed})
    else:
        click.echo(f"Token {ref} opens nothing any more; {counted(closed, 'connection')} ordered to close.")
