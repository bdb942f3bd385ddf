"""``flask outbox``: what Laravel wrote and the server has not published, and the table's SQL."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.acts import Act

from .command import Nouns, json_option, pass_services
from .printing import counted, fields, note, print_json, span, table
from .trail import audited

if TYPE_CHECKING:
    from mechamap.services import Services

MOST_SHOWN = 1_000

group = Nouns("outbox", help="Events that Laravel writes into its table rt_outbox.")


@group.command("status")
@json_option
@pass_services
def status(services: "Services", as_json: bool) -> None:
    """Say how much waits, since when, and how many rows were refused."""
    figures = services.outbox_rows.figures()
    on = services.settings.outbox
    if as_json:
        print_json({"on": on, **asdict(figures)})
        return
    fields(
        (
            ("outbox", "on" if on else "off: OUTBOX=on lets the server publish it"),
            ("waiting", _waiting(figures.pending, figures.lag)),
            ("dead", f"{figures.dead:,}"),
        )
    )


@group.command("dead")
@click.option("--limit", type=click.IntRange(1, MOST_SHOWN), default=50, show_default=True, help="At most.")
@json_option
@pass_services
def dead(services: "Services", limit: int, as_json: bool) -> None:
    """List the dead letters, newest first, with the reason of each."""
    letters = services.outbox_rows.dead(limit)
    if as_json:
        print_json([asdict(letter) for letter in letters])
        return
    if not letters:
        note("There are no dead letters.")
        return
    table(
        ("ID", "AGE", "CHANNELS", "EVENT", "REASON"),
        [
            (each.id, span(each.age), _short(each.channels), _short(each.event), each.reason)
            for each in letters
        ],
        flexible=4,
        right=(0,),
    )


@group.command("retry")
@click.argument("row_id", metavar="ID", type=click.IntRange(1))
@json_option
@pass_services
def retry(services: "Services", row_id: int, as_json: bool) -> None:
    """Let a dead letter be published after all, for example when its row was mended."""
    with audited(services.audit, Act.OUTBOX_RETRY, f"outbox:{row_id}"):
        services.outbox_rows.retry(row_id)
    if as_json:
        print_json({"id": row_id, "state": "pending"})
        return
    click.echo(f"Row {row_id} waits to be published again.")


@group.command("sql")
@click.option(
    "--in-turn", is_flag=True, help="With a trigger by which ids have exactly the order of commits."
)
@json_option
@pass_services
def sql(services: "Services", in_turn: bool, as_json: bool) -> None:
    """Print the SQL that makes the table in Laravel's database."""
    from mechamap.store.laravel.outbox_sql import outbox_sql

    dialect = services.outbox_rows.dialect
    text = outbox_sql(dialect, in_turn=in_turn)
    if as_json:
        print_json({"dialect": dialect, "sql": text})
        return
    click.echo(text, nl=False)


def _waiting(pending: int, lag: float) -> str:
    return f"{counted(pending, 'row')}, the first for {span(lag)}" if pending else "nothing"


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:19]}…"
