"""``flask keys``: publishers' keys, made, listed, changed and revoked."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act
from mechamap.domain.errors import NotFound
from mechamap.store.keys import MAX_KEEP

from .command import Nouns, confirm, json_option, pass_services, yes_option
from .durations import Duration
from .printing import ago, note, print_json, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.services import Services
    from mechamap.store.keys import KeyRecord

group = Nouns("keys", help="Keys with which publishers such as Laravel broadcast.")


@group.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="PATTERN",
    help="Channel names it may publish to, such as 'forum.*', in the spelling that `flask channels rules` has"
    " first; repeat for more. None: every channel.",
)
@json_option
@pass_services
def create(services: "Services", name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a key and print its secret, this once.

    The secret alone goes to stdout; everything said about it goes to stderr.
    """
    with audited(
        services.audit, Act.KEY_CREATE, f"key:{name}", detail=f"scopes: {', '.join(scopes) or 'all'}"
    ):
        record, secret = services.api_keys.create(name, scopes, actor())
    if as_json:
        print_json({**_public(record), "secret": secret})
        return
    note(f"Key {record.name!r} (id {record.id}) may publish to {_scopes(record)}.")
    note("Its secret is shown this once and kept nowhere; put it into Laravel's .env as WEBSOCKET_API_KEY:")
    click.echo(secret)


@group.command("list")
@json_option
@pass_services
def list_keys(services: "Services", as_json: bool) -> None:
    """List the keys, newest first; secrets are not kept."""
    records = services.api_keys.list()
    if as_json:
        print_json([_public(record) for record in records])
        return
    if records:
        table(
            ("ID", "NAME", "SECRET", "MAY PUBLISH TO", "MADE", "USED", "STATE"),
            [
                (
                    record.id,
                    record.name,
                    f"{record.prefix}…",
                    _scopes(record),
                    f"{ago(record.created_at)} ago",
                    "never" if record.last_used_at is None else f"{ago(record.last_used_at)} ago",
                    _state(record),
                )
                for record in records
            ],
            flexible=3,
            right=(0,),
        )
    else:
        note("There are no keys in the database. Make one with `flask keys create laravel`.")
    if fixed := len(services.settings.api_keys):
        note(f"Besides these, WEBSOCKET_API_KEY in the settings holds {fixed}, which no command revokes.")


@group.command("rotate")
@click.argument("name_or_id", metavar="NAME|ID")
@click.option(
    "--keep",
    type=Duration(most=int(MAX_KEEP.total_seconds())),
    default="7d",
    show_default=True,
    metavar="7d",
    help="How long the present secret goes on.",
)
@click.option("--now", is_flag=True, help="It leaked: refuse the present secret at once.")
@yes_option
@json_option
@pass_services
def rotate(services: "Services", name_or_id: str, keep: int, now: bool, yes: bool, as_json: bool) -> None:
    """Make a new secret and print it, this once; the present one goes on for a while."""
    found = _live(services, name_or_id)
    if now:
        confirm(f"Refuse the present secret of {found.name!r} at once? Whoever has it is refused.", yes=yes)
    kept = timedelta() if now else timedelta(seconds=keep)
    with audited(
        services.audit, Act.KEY_ROTATE, f"key:{found.name}", detail=f"{found.prefix} goes on for {kept}"
    ):
        record, secret, before = services.api_keys.rotate(found.id, kept, actor())
    if as_json:
        print_json({**_public(record), "secret": secret, "before": _public(before)})
        return
    until = f"is good until {before.expires_at:%Y-%m-%d %H:%M} UTC" if before.live else "is refused"
    note(f"Key {record.name!r} has a new secret; the old one, {before.prefix}…, {until}.")
    note("The new one is shown this once and kept nowhere:")
    click.echo(secret)


@group.command("scopes")
@click.argument("name_or_id", metavar="NAME|ID")
@click.option("--scope", "scopes", multiple=True, metavar="PATTERN", help="As with create; repeat for more.")
@click.option("--everything", is_flag=True, help="Instead, every channel.")
@yes_option
@json_option
@pass_services
def rescope(
    services: "Services", name_or_id: str, scopes: tuple[str, ...], everything: bool, yes: bool, as_json: bool
) -> None:
    """Let a key publish to other channels."""
    if bool(scopes) is everything:
        raise click.UsageError("Say --scope, or --everything.")
    found = _live(services, name_or_id)
    told = ", ".join(scopes) or "every channel"
    confirm(f"Let key {found.name!r} publish to {told}, instead of {_scopes(found)}?", yes=yes)
    with audited(services.audit, Act.KEY_SCOPES, f"key:{found.name}", detail=f"{_scopes(found)} → {told}"):
        record = services.api_keys.rescope(found.id, scopes)
    if as_json:
        print_json(_public(record))
        return
    click.echo(f"Key {record.name!r} may publish to {_scopes(record)}; servers follow within seconds.")


@group.command("revoke")
@click.argument("name_or_id", metavar="NAME|ID")
@yes_option
@json_option
@pass_services
def revoke(services: "Services", name_or_id: str, yes: bool, as_json: bool) -> None:
    """End a key; servers refuse it within seconds. This cannot be undone."""
    found = _live(services, name_or_id)
    confirm(f"Revoke key {found.name!r} (id {found.id})? Whoever publishes with it is refused.", yes=yes)
    with audited(services.audit, Act.KEY_REVOKE, f"key:{found.name}", detail=f"id {found.id}"):
        record = services.api_keys.revoke(found.id)
    if as_json:
        print_json(_public(record))
        return
    click.echo(f"Key {record.name!r} (id {record.id}) is revoked; servers refuse it within seconds.")


def _live(services: "Services", name_or_id: str) -> "KeyRecord":
    """The live key so called. A name goes before an id, since a name may be a number; an old secret has only
    its id."""
    live = services.api_keys.list(revoked=False)
    for matches in (lambda key: key.live_name == name_or_id, lambda key: str(key.id) == name_or_id):
        if found := next(filter(matches, live), None):
            return found
    raise NotFound(
        f"No live key has the name or id {name_or_id!r}; `flask keys list` shows them.", code="key_not_found"
    )


def _state(record: "KeyRecord") -> str:
    if record.live:
        return "live" if record.current else f"until {record.expires_at:%Y-%m-%d}"
    return "ended" if record.revoked_at is None else "revoked"


def _public(record: "KeyRecord") -> dict[str, object]:
    told = {name: value for name, value in asdict(record).items() if name != "live_name"}
    return {**told, "live": record.live, "current": record.current}


def _scopes(record: "KeyRecord") -> str:
    return ", ".join(record.scopes) or "every channel"
