"""``flask channels rules`` and ``explain``: the rules of joining, and one verdict explained."""

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.facts import Facts
from mechamap.domain.identity import Identity, TokenKind
from mechamap.domain.roles import Ladder, Level
from mechamap.domain.rules import RULES, table

from .command import Command, json_option, pass_services
from .printing import fields, heading, note, print_json

if TYPE_CHECKING:
    from mechamap.services import Services


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
@json_option
@pass_services
def explain(services: "Services", user_id: int, channel: str, as_json: bool) -> None:
    """Say whether a user may join a channel, and why."""
    wanted = services.parse_channel(channel)
    facts, decision = judged(services, user_id, wanted)
    level = services.settings.ladder.level(facts.user.role) if facts.user else None
    if as_json:
        print_json(
            {
                "user_id": user_id,
                "channel": wanted.name,
                "canonical": wanted.canonical,
                **asdict(decision),
                "level": level.label if level else None,
                "facts": asdict(facts),
            }
        )
        return
    click.secho(
        "allowed" if decision.allowed else "refused", fg="green" if decision.allowed else "red", nl=False
    )
    click.echo(f"  user {user_id}, {wanted.name}{'' if decision.allowed else f'  [{decision.code}]'}")
    told: list[tuple[str, object]] = [("why", decision.reason), ("rule", decision.rule)]
    if facts.user is not None:
        told.append(("level", level.label if level else "none: the role has no place on the ladder"))
    told += [(name, _row(name, row)) for name, row in asdict(facts).items() if row is not None]
    fields(told, indent="  ")


def judged(services: "Services", user_id: int, channel: Channel) -> tuple[Facts, Decision]:
    """The verdict on a user with a good token, and the facts it rests on."""
    user = services.directory.user(user_id)
    if user is None and services.directory.knows_users():
        reason = "No user has this id, so no token of theirs is accepted."
        return Facts(), Decision(False, RULES[channel.kind], reason, "user_unknown")
    if user is None:
        note(
            "There is no table of users: judged without a role; at a connection the token's own role counts."
        )
    role, name = (user.role, user.name) if user else (None, None)
    identity = Identity(user_id, role, name, TokenKind.JWT, None, "")
    return services.judge.facts(identity, channel), services.judge.decide(identity, channel)


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
