"""``flask watch``: the live console at a terminal."""

import json
import time
from typing import TYPE_CHECKING, Any

import click

from mechamap.domain.errors import InvalidChannel
from mechamap.domain.moments import iso
from mechamap.hub.tap import Filter, Kind
from mechamap.hub.watching import new_console

from .cluster import watches_of
from .command import Command, json_option, pass_services
from .printing import note

if TYPE_CHECKING:
    from mechamap.services import Services

EVERY = 1.0
_TOLD = ("user_id", "origin", "event", "code", "subscribers", "connections", "size", "transport", "address")


@click.command("watch", cls=Command)
@click.option("--user", "user_id", type=click.IntRange(min=1), help="Of one user only.")
@click.option("--channel", default="", help="A channel, or part of a name.")
@click.option("--event", default="", help="Part of an event's name.")
@click.option("--code", default="", help="A reason's code, or its beginning.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in Kind]),
    help="Only these; again for more.",
)
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so long; otherwise with Ctrl+C.")
@json_option
@pass_services
def command(
    services: "Services",
    user_id: int | None,
    channel: str,
    event: str,
    code: str,
    kinds: tuple[str, ...],
    seconds: float | None,
    as_json: bool,
) -> None:
    """Print what happens now on all workers, a line each, without payloads. With --json a line is an object.

    \b
    flask watch --user 22
    flask watch --kind refusal --kind kick --json
    """
    canonical = ""
    try:
        canonical, channel = services.parse_channel(channel).canonical, ""
    except InvalidChannel:  # part of a name
        pass
    kinds = kinds or tuple(kind.value for kind in Kind if kind not in (Kind.DELIVERY, Kind.UPGRADE))
    wants = Filter(kinds, user_id, canonical, channel.casefold(), event.casefold(), code)
    watches, console = watches_of(services), new_console()
    cursors: dict[str, int] = {}
    end = time.monotonic() + seconds if seconds is not None else None
    while True:
        seen = watches.see(console, wants, cursors)
        cursors = seen.cursors
        for record in seen.records:
            click.echo(json.dumps(record, ensure_ascii=False) if as_json else _line(record))
        if seen.skipped:
            note(f"{seen.skipped:,} were skipped: there were too many.")
        if seen.silent:
            note(f"Worker {', '.join(map(str, seen.silent))} did not answer.")
        if end is not None and time.monotonic() >= end:
            return
        time.sleep(EVERY if end is None else max(0.0, min(EVERY, end - time.monotonic())))


def _line(record: dict[str, Any]) -> str:
    about = [f"{name.removesuffix('_id')}={record[name]}" for name in _TOLD if name in record]
    channels = ",".join(record.get("channels", ()))
    return "  ".join([iso(record["at"]), f"{record['kind']:<11}", *([channels] if channels else []), *about])
