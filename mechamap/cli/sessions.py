"""``flask sessions``: who is signed in to the console, and ending that."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import NotFound
from mechamap.store.console_sessions import Ended

from .command import Nouns, confirm, json_option, pass_services, yes_option
from .printing import ago, counted, fields, note, print_json, table
from .trail import audited

if TYPE_CHECKING:
    from mechamap.services import Services

group = Nouns("sessions", help="Who is signed in to the console.")


@group.command("list")
@click.option("--user", "user_id", type=int, metavar="ID", help="Of one person only.")
@json_option
@pass_services
def list_sessions(services: "Services", user_id: int | None, as_json: bool) -> None:
    """List the sessions that have not ended, newest first."""
    found = services.console_sessions.live(user_id)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    if not found:
        note("Nobody is signed in.")
        return
    table(
        ("ID", "WHO", "ADDRESS", "SINCE", "USED", "BROWSER"),
        [
            (
                each.id,
                f"{each.name or 'user'} #{each.user_id}",
                each.address or "unknown",
                f"{ago(each.began_at)} ago",
                f"{ago(each.seen_at)} ago",
                each.agent or "unknown",
            )
            for each in found
        ],
        flexible=5,
        right=(0,),
    )


@group.command("roles")
@json_option
@pass_services
def roles(services: "Services", as_json: bool) -> None:
    """Tell which roles of the site may enter the console, and as what."""
    named = {role.label: names for role, names in services.settings.console_roles.named().items()}
    if as_json:
        print_json(named)
        return
    fields((role, ", ".join(names) or "none") for role, names in named.items())
    note("By their levels; CONSOLE_ROLES moves single roles.")


@group.command("end")
@click.option("--id", "session_id", type=int, metavar="ID", help="This session.")
@click.option("--user", "user_id", type=int, metavar="ID", help="All of this person.")
@yes_option
@json_option
@pass_services
def end(services: "Services", session_id: int | None, user_id: int | None, yes: bool, as_json: bool) -> None:
    """End sessions; their next request is refused, on every worker."""
    if (session_id is None) == (user_id is None):
        raise click.UsageError("Say exactly one of --id and --user.")
    named = [each for each in services.console_sessions.live(user_id) if session_id in (None, each.id)]
    if not named:
        raise NotFound("There is no such session; `flask sessions list` shows them.", code="session_unknown")
    who = f"{named[0].name or 'user'} #{named[0].user_id}"
    confirm(f"End {counted(len(named), 'session')} of {who}?", yes=yes)
    with audited(services.audit, Act.END_SESSIONS, f"user:{named[0].user_id}"):
        ended = services.console_sessions.end(Ended.REVOKED, session_id=session_id, user_id=named[0].user_id)
    if as_json:
        print_json({"ended": ended})
        return
    click.echo(f"{counted(ended, 'session')} of {who} ended.")
