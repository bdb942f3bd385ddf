"""``flask audit``: who did what, listed, as a file, and what is old removed."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from mechamap.domain.acts import Act
from mechamap.store.audit import AuditFilter

from .command import Nouns, confirm, json_option, pass_services, yes_option
from .durations import Duration
from .printing import counted, note, print_json, table
from .trail import audited

if TYPE_CHECKING:
    from mechamap.services import Services

group = Nouns("audit", help="What operators did, in the console and at the terminal.")
AGE = Duration(most=36_500 * 86_400)
EVERY = 10_000
"""Rows between two words about how far an export is."""


def filtered(function: Any) -> Any:
    """The options that say which rows are wanted, as one ``AuditFilter``."""

    def call(actor: str, action: str, target: str, outcome: str, since: int | None, **rest: Any) -> Any:
        start = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
        return function(wanted=AuditFilter(actor, action, target, outcome, start), **rest)

    call.__doc__ = function.__doc__
    for option in (
        click.option("--since", type=AGE, metavar="7d", help="Not older than this."),
        click.option("--outcome", default="", help="ok, refused (anything else), or a code."),
        click.option("--target", default="", help="Part of what it was done to, such as user:7."),
        click.option(
            "--action", default="", help="What was done, or its beginning, such as key; see `acts`."
        ),
        click.option("--actor", default="", help="Part of who did it, such as admin:1 or cli:anna."),
    ):
        call = option(call)
    return call


@group.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@filtered
@pass_services
def list_rows(services: "Services", wanted: AuditFilter, limit: int, as_json: bool) -> None:
    """List the newest rows."""
    rows = services.audit.recent(limit, wanted=wanted)
    if as_json:
        print_json([row.public() for row in rows])
        return
    if not rows:
        note("No row matches.")
        return
    table(
        ("WHEN (UTC)", "WHO", "ACTION", "TARGET", "OUTCOME"),
        [(f"{row.at:%Y-%m-%d %H:%M}", row.actor, row.action, row.target, row.outcome) for row in rows],
        flexible=3,
    )


@group.command("acts")
@json_option
def list_acts(as_json: bool) -> None:
    """List what is recorded, by its name for --action; with --json also the names that older rows have."""
    if as_json:
        print_json([{"action": act.value, "told": act.told, "former": act.former} for act in Act])
        return
    table(("ACTION", "WHO DID SO"), [(act.value, act.told) for act in Act], flexible=1)


@group.command("export")
@filtered
@pass_services
def export(services: "Services", wanted: AuditFilter) -> None:
    """Print every row as a line of JSON, newest first; how many so far goes to a terminal beside it."""
    number = 0
    for number, row in enumerate(services.audit.each(wanted, most=10**9), 1):
        click.echo(json.dumps(row.public(), ensure_ascii=False))
        if not number % EVERY and sys.stderr.isatty() and not sys.stdout.isatty():
            note(f"{counted(number, 'row')} so far.")
    note(f"{counted(number, 'row')}.")


@group.command("prune")
@click.option("--older-than", type=AGE, metavar="365d", help="Left out: the days of AUDIT_DAYS.")
@yes_option
@json_option
@pass_services
def prune(services: "Services", older_than: int | None, yes: bool, as_json: bool) -> None:
    """Remove old rows. A running server does so every hour by AUDIT_DAYS."""
    seconds = services.settings.audit_days * 86_400 if older_than is None else older_than
    if not seconds:
        raise click.UsageError("AUDIT_DAYS=0 keeps rows for ever; say --older-than.")
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    confirm(f"Remove the rows of the audit log from before {before:%Y-%m-%d %H:%M} UTC?", yes=yes)
    with audited(services.audit, Act.AUDIT_PRUNE, f"before {before:%Y-%m-%d %H:%M} UTC"):
        removed = services.audit.prune(before)
    if as_json:
        print_json({"removed": removed, "before": before})
        return
    click.echo(f"{counted(removed, 'row')} removed.")
