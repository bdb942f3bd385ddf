"""``flask tokens``: people's tokens, issued for tests, explained, and revoked before their time."""

import sys
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import AuthenticationFailed

from .cluster import give
from .command import Nouns, confirm, json_option, pass_services, yes_option
from .durations import Duration
from .printing import counted, fields, moment, note, print_json, span
from .trail import audited

if TYPE_CHECKING:
    from mechamap.auth.inspection import TokenReport
    from mechamap.services import Services

MAX_TTL = 365 * 86_400
MAX_READ = 65_536
"""Bytes read from standard input: far above any token, far below harm."""
_TIMES = ("exp", "iat", "nbf")

group = Nouns("tokens", help="People's tokens: issue, explain, revoke.")


@group.command("issue")
@click.argument("user_id", type=click.IntRange(1, 2**63 - 1))
@click.option(
    "--ttl",
    type=Duration(MAX_TTL),
    default="1h",
    show_default=True,
    help="How long it lives: 90s, 15m, 1h, 7d.",
)
@json_option
@pass_services
def issue(services: "Services", user_id: int, ttl: int, as_json: bool) -> None:
    """Make a JWT for a user and print it.

    The token alone goes to stdout; what is said about it goes to stderr.
    """
    from mechamap.auth.inspection import inspect

    with audited(services.audit, Act.TOKEN_ISSUE, f"user:{user_id}", detail=f"for {span(ttl)}"):
        token = services.jwts.issue(user_id, timedelta(seconds=ttl))
    report = inspect(token, services.authenticator)
    if as_json:
        print_json(
            {
                "token": token,
                "user_id": user_id,
                "expires_in": ttl,
                "accepted": report.accepted,
                "code": report.code,
                "reason": report.reason,
            }
        )
        return
    click.echo(token)
    if report.identity is None:
        note(f"Mind that the server refuses it now: {_reason(report.reason)} [{report.code}]")
    else:
        note(f"For {_who(report)}, good for {span(ttl)}. Whoever holds it is this user; it is kept nowhere.")


@group.command("inspect")
@click.argument("token")
@json_option
@pass_services
def inspect_token(services: "Services", token: str, as_json: bool) -> None:
    """Explain a token: what it claims, and whether it is accepted.

    A dash reads it from standard input, where neither the shell's history nor other users of this machine
    see it. Nothing of it is kept or logged.
    """
    from mechamap.auth.inspection import inspect

    report = inspect(given(token), services.authenticator, services.jwts)
    if as_json:
        print_json(asdict(report))
        return
    click.secho(
        "accepted" if report.accepted else "refused", fg="green" if report.accepted else "red", nl=False
    )
    click.echo("" if report.accepted else f"  [{report.code}]")
    told: list[tuple[str, object]] = [("why", _reason(report.reason)), ("kind", _kind(report))]
    if report.identity is not None:
        ends = report.identity.expires_at
        told += [("who", _who(report)), ("until", "it is revoked" if ends is None else moment(ends))]
    told.append(
        ("checks", ", ".join(f"{check.name} {check.passed.replace('_', ' ')}" for check in report.checks))
    )
    told += [(f"header {name}", value) for name, value in report.header.items()]
    told += [(f"claim {name}", _claim(name, value)) for name, value in report.claims.items()]
    fields(told, indent="  ")
    if report.claims and not report.accepted:
        note("The claims are what the token says of itself; that it is refused makes them nobody's word.")


@group.command("revoke")
@click.argument("token")
@yes_option
@json_option
@pass_services
def revoke(services: "Services", token: str, yes: bool, as_json: bool) -> None:
    """Make a token useless before its time, and close the connections that came with it.

    A dash reads it from standard input. A Sanctum token is refused here only: to Laravel it stays good until
    its row is deleted.
    """
    from mechamap.auth.authenticator import TokenShape, shape_of, token_ref

    text = given(token)
    if sys.stdin.isatty():  # who names it in a script has the token itself, and means it
        confirm(f"Revoke token {token_ref(text)} and close the connections that came with it?", yes=yes)
    try:
        with audited(services.audit, Act.TOKEN_REVOKE, f"token:{token_ref(text)}"):
            identity, closed = services.revoking.token(text, give(services))
    except AuthenticationFailed as err:
        raise click.ClickException(
            f"This token opens nothing anyway: {_reason(err.message)} [{err.code}]"
        ) from err
    if as_json:
        about = {"user_id": identity.user_id, "expires_at": identity.expires_at, "connections": closed}
        print_json({"revoked": True, **about})
        return
    within = services.settings.cache_seconds
    click.echo(f"The token of user {identity.user_id} is revoked; servers refuse it within {within:g} s.")
    note(f"{counted(closed, 'connection')} ordered to close.")
    if shape_of(text) is TokenShape.SANCTUM:
        note("Laravel itself goes on accepting it until its row in personal_access_tokens is deleted.")


def given(token: str) -> str:
    """The token of the argument, or of standard input for a dash."""
    if token != "-":
        return token.strip()
    return sys.stdin.buffer.read(MAX_READ).decode("utf-8", errors="replace").strip()


def _who(report: "TokenReport") -> str:
    identity = report.identity
    assert identity is not None, "asked of accepted tokens only"
    return f"user {identity.user_id} {identity.name or ''}".strip() + f" ({identity.role or 'no role'})"


def _reason(message: str) -> str:
    """The sentence without the words that browsers are promised at its beginning."""
    return message.removeprefix("Authentication failed: ")


def _kind(report: "TokenReport") -> str:
    return {"jwt": "JWT", "sanctum": "Sanctum", "none": "none that is known"}[
        report.shape.value
    ] + f", reference {report.ref}"


def _claim(name: str, value: Any) -> str:
    """A claim; times also as people read them."""
    if name in _TIMES and isinstance(value, int | float) and 0 <= value < 2**40:
        return f"{value} ({moment(value)})"
    return str(value)
