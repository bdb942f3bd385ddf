"""``flask keys``: publishers' keys, made, listed and revoked."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.errors import NotFound

from .command import Nouns, confirm, json_option, pass_services, yes_option
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
    with audited(services.audit, "key.create", name, detail=f"scopes: {', '.join(scopes) or 'all'}"):
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
                    "live" if record.live else "revoked",
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


@group.command("revoke")
@click.argument("name_or_id", metavar="NAME|ID")
@yes_option
@json_option
@pass_services
def revoke(services: "Services", name_or_id: str, yes: bool, as_json: bool) -> None:
    """End a key; servers refuse it within seconds. This cannot be undone."""
    found = _live(services, name_or_id)
    confirm(f"Revoke key {found.name!r} (id {found.id})? Whoever publishes with it is refused.", yes=yes)
    with audited(services.audit, "key.revoke", found.name, detail=f"id {found.id}"):
        record = services.api_keys.revoke(found.id)
    if as_json:
        print_json(_public(record))
        return
    click.echo(f"Key {record.name!r} (id {record.id}) is revoked; servers refuse it within seconds.")


def _live(services: "Services", name_or_id: str) -> "KeyRecord":
    """The live key so called. A name goes before an id, since a name may be a number."""
    live = services.api_keys.list(revoked=False)
    for matches in (lambda key: key.name == name_or_id, lambda key: str(key.id) == name_or_id):
        if found := next(filter(matches, live), None):
            return found
    raise NotFound(
        f"No live key has the name or id {name_or_id!r}; `flask keys list` shows them.", code="key_not_found"
    )


def _public(record: "KeyRecord") -> dict[str, object]:
    return {**asdict(record), "live": record.live}


def _scopes(record: "KeyRecord") -> str:
    return ", ".join(record.scopes) or "every channel"
