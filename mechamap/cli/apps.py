"""``flask apps``: the sites that publish by Pusher's HTTP API, their keys made, listed and changed."""

from dataclasses import asdict
from typing import IO, TYPE_CHECKING

import click

from mechamap.domain.acts import Act

from .command import Nouns, confirm, json_option, pass_services, yes_option
from .printing import ago, note, print_json, table
from .trail import actor, audited

if TYPE_CHECKING:
    from mechamap.domain.pusher_signature import AppKey
    from mechamap.services import Services
    from mechamap.store.apps import AppRecord

group = Nouns("apps", help="Sites that publish as to Pusher or Reverb, each with a key and a secret.")

_which = click.argument("which", metavar="ID|NAME")


@group.command("create")
@click.argument("name")
@click.option("--id", "app_id", metavar="ID", help="The id it has already; left out: a new one.")
@click.option("--key", metavar="KEY", help="The public key it has already; left out: a new one.")
@click.option(
    "--secret-file",
    type=click.File(),
    metavar="FILE",
    help="A file that holds the secret it has already, - for stdin; left out: a new one.",
)
@click.option(
    "--legacy", is_flag=True, help="It may publish with its secret alone, as to laravel-echo-server."
)
@json_option
@pass_services
def create(
    services: "Services",
    name: str,
    app_id: str | None,
    key: str | None,
    secret_file: IO[str] | None,
    legacy: bool,
    as_json: bool,
) -> None:
    """Make an app and print its secret, this once."""
    given = None if secret_file is None else secret_file.read(10_000).strip()
    with audited(services.audit, Act.APP_CREATE, f"app:{name}", detail="legacy" if legacy else ""):
        record, pair = services.apps.create(
            name, actor(), app_id=app_id, key=key, secret=given, legacy=legacy
        )
    _tell(record, pair, as_json, f"App {record.name!r} is made.")


@group.command("list")
@json_option
@pass_services
def list_apps(services: "Services", as_json: bool) -> None:
    """List the apps, newest first, without their secrets."""
    records = services.apps.list()
    if as_json:
        print_json([asdict(record) for record in records])
        return
    if records:
        opened = services.apps.all()
        table(
            ("ID", "NAME", "KEYS", "MADE", "STATE"),
            [
                (
                    record.app_id,
                    record.name,
                    ", ".join(record.keys),
                    f"{ago(record.created_at)} ago",
                    _state(record, readable=record.app_id not in opened or bool(opened[record.app_id].keys)),
                )
                for record in records
            ],
            flexible=2,
        )
    else:
        note("There are no apps in the database. Make one with `flask apps create site`.")
    if (fixed := services.settings.pusher_app_id) is not None:
        note(f"Besides these, the settings hold the app {fixed}, which no command changes.")


@group.command("rotate")
@_which
@click.option("--same-key", is_flag=True, help="A new secret under the key it has: pages need no new build.")
@click.option("--finish", is_flag=True, help="Instead, end all keys but the newest.")
@yes_option
@json_option
@pass_services
def rotate(services: "Services", which: str, same_key: bool, finish: bool, yes: bool, as_json: bool) -> None:
    """Make a new key beside the old ones and print its secret, this once.

    Put it into Laravel's .env, then end the old ones with --finish.
    """
    found = services.apps.find(which)
    if not finish:
        with audited(services.audit, Act.APP_ROTATE, f"app:{found.name}", detail=f"id {found.app_id}"):
            record, pair = services.apps.rotate(found.app_id, same_key=same_key)
        _tell(
            record, pair, as_json, f"App {record.name!r} has a new key; the old ones are good until --finish."
        )
        return
    if same_key:
        raise click.UsageError("--same-key and --finish do not go together.")
    confirm(f"End all keys of app {found.name!r} but the newest, {found.keys[0]}?", yes=yes)
    with audited(services.audit, Act.APP_FINISH, f"app:{found.name}", detail=f"id {found.app_id}"):
        record = services.apps.finish(found.app_id)
    _done(record, as_json, f"has the key {record.keys[0]} only")


@group.command("enable")
@_which
@json_option
@pass_services
def enable(services: "Services", which: str, as_json: bool) -> None:
    """Let a disabled app call again."""
    found = services.apps.find(which)
    with audited(services.audit, Act.APP_ENABLE, f"app:{found.name}", detail=f"id {found.app_id}"):
        record = services.apps.switch(found.app_id, enabled=True)
    _done(record, as_json, "is enabled")


@group.command("disable")
@_which
@yes_option
@json_option
@pass_services
def disable(services: "Services", which: str, yes: bool, as_json: bool) -> None:
    """Refuse all calls of an app until it is enabled."""
    found = services.apps.find(which)
    confirm(f"Disable app {found.name!r} (id {found.app_id})? Its calls are refused.", yes=yes)
    with audited(services.audit, Act.APP_DISABLE, f"app:{found.name}", detail=f"id {found.app_id}"):
        record = services.apps.switch(found.app_id, enabled=False)
    _done(record, as_json, "is disabled")


@group.command("delete")
@_which
@yes_option
@json_option
@pass_services
def delete(services: "Services", which: str, yes: bool, as_json: bool) -> None:
    """Remove an app and its secrets. This cannot be undone."""
    found = services.apps.find(which)
    confirm(f"Delete app {found.name!r} (id {found.app_id})? Its keys and secrets are gone.", yes=yes)
    with audited(services.audit, Act.APP_DELETE, f"app:{found.name}", detail=f"id {found.app_id}"):
        record = services.apps.delete(found.app_id)
    _done(record, as_json, "is deleted")


def _state(record: "AppRecord", *, readable: bool) -> str:
    state = "enabled" if record.enabled else "disabled"
    if record.legacy:
        state += ", legacy"
    # of another SECRET_KEY: only a new key helps
    return state if readable else f"{state}, unreadable"


def _tell(record: "AppRecord", pair: "AppKey", as_json: bool, what: str) -> None:
    """The secret alone goes to stdout; everything said about it goes to stderr."""
    if as_json:
        print_json({**asdict(record), "key": pair.key, "secret": pair.secret})
        return
    note(f"{what} In Laravel's .env:")
    note(f"PUSHER_APP_ID={record.app_id}")
    note(f"PUSHER_APP_KEY={pair.key}")
    note("PUSHER_APP_SECRET is shown this once (REVERB_APP_… with the reverb driver):")
    click.echo(pair.secret)


def _done(record: "AppRecord", as_json: bool, what: str) -> None:
    if as_json:
        print_json(asdict(record))
        return
    click.echo(f"App {record.name!r} (id {record.app_id}) {what}; servers follow within seconds.")
