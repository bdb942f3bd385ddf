"""``flask channels rules`` and ``explain``: the rules of joining, and one verdict explained."""

from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, cast

import click

from mechamap.domain.facts import Facts
from mechamap.domain.roles import Ladder, Level
from mechamap.domain.rules import table

from .command import Command, json_option, pass_services
from .printing import fields, heading, note, print_json
from .tokens import given

if TYPE_CHECKING:
    from mechamap.services import Services


asks_laravel = click.option(
    "--token",
    metavar="TOKEN",
    help="The user's own, or a dash for standard input: with it Laravel is asked where it decides.",
)


@click.command("rules", cls=Command)
@json_option
@pass_services
def rules(services: "Services", as_json: bool) -> None:
    """Print who may join what, and the ladder of roles."""
    settings = services.settings
    ladder = _ladder(settings.ladder)
    if as_json:
        print_json(
            {
                "rules": table(),
                "ladder": ladder,
                "private_forum_level": settings.private_forum_level.label,
            }
        )
        return
    heading("Who may join")
    fields(((str(row["channel"]), _told(row)) for row in table()), indent="  ")
    click.echo(f"  (private forums ask for {settings.private_forum_level.label}: PRIVATE_FORUM_LEVEL)")
    click.echo()
    heading("Which role stands where, highest first")
    fields(
        ((f"{level.value} {level.label}", ", ".join(ladder[level.label])) for level in reversed(Level)),
        indent="  ",
    )
    click.echo("  (ROLE_LEVELS adds and moves roles; one that is not here passes no rule)")


@click.command("explain", cls=Command)
@click.argument("user_id", type=click.IntRange(min=1))
@click.argument("channel")
@asks_laravel
@json_option
@pass_services
def explain(services: "Services", user_id: int, channel: str, token: str | None, as_json: bool) -> None:
    """Say whether a user may join a channel, and why."""
    from mechamap.auth.inspection import authorization_of

    wanted = services.parse_channel(channel)
    authorization = None
    if token is not None:
        authorization = authorization_of(given(token), user_id, services.authenticator)
    joining = services.joining.explain(user_id, wanted, authorization)
    decision = joining.decision
    if not joining.known:
        note(
            "There is no table of users: judged without a role; at a connection the token's own role counts."
        )
    if as_json:
        print_json(
            {
                "user_id": user_id,
                "channel": wanted.name,
                "canonical": wanted.canonical,
                **asdict(decision),
                "level": joining.level,
                "facts": {each.name: joining.facts.get(each.name) for each in dataclass_fields(Facts)},
                "decided_by": joining.decided_by,
                "asked": joining.asked,
            }
        )
        return
    click.secho(
        "allowed" if decision.allowed else "refused", fg="green" if decision.allowed else "red", nl=False
    )
    click.echo(f"  user {user_id}, {wanted.name}{'' if decision.allowed else f'  [{decision.code}]'}")
    told: list[tuple[str, object]] = [("why", decision.reason), ("rule", decision.rule)]
    if joining.user is not None:
        told.append(("level", joining.level or "none: the role has no place on the ladder"))
    told += [(name, _row(name, row)) for name, row in joining.facts.items()]
    fields(told, indent="  ")
    if joining.decided_by == "laravel" and not joining.asked:
        note("Laravel decides on this channel, and was not asked: --token - asks it as the user.")


def _told(rule: dict[str, object]) -> str:
    """Who may join, and the other names of the channel."""
    others = cast(list[str], rule["names"])[1:]
    return f"{rule['may join']}{'; also called ' if others else ''}{', '.join(others)}"


def _ladder(ladder: Ladder) -> dict[str, list[str]]:
    return {
        level.label: sorted(role for role, its_level in ladder.levels.items() if its_level is level)
        for level in reversed(Level)
    }


def _row(kind: str, row: dict[str, object]) -> str:
    """A row of facts in words; its own id, which the question named, is left out."""
    words = {True: "yes", False: "no", None: "none"}
    return ", ".join(
        f"{name.replace('_', ' ')} {words[value] if isinstance(value, bool | None) else value}"
        for name, value in row.items()
        if name != f"{kind}_id"
    )
