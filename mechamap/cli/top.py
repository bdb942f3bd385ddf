"""``flask top``: what the console's overview shows, in a terminal, renewed every two seconds."""

import io
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mechamap.domain.errors import Unavailable
from mechamap.domain.statistics import HOUR, Moment, Tally
from mechamap.hub.operations import Operations, Totals
from mechamap.hub.statistics import Overview, WorkerFigures

from .cluster import operations_of
from .command import Command, json_option, pass_services, sentence
from .printing import ago, clean, counted, fields, megabytes, moment, print_json, table, width

if TYPE_CHECKING:
    from mechamap.services import Services

OTHER_SCREEN, BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
BARS = " ▁▂▃▄▅▆▇█"
GOOD = frozenset({"accepted", "allowed", "duplicate"})
REASONS = 6
"""Codes shown; the console and ``--json`` have the others."""


@click.command("top", cls=Command)
@click.option("--once", is_flag=True, help="Print it once and end, as without a terminal.")
@click.option("--interval", type=click.FloatRange(0.5, 60), default=2.0, show_default=True, help="Seconds.")
@json_option
@pass_services
def command(services: "Services", once: bool, interval: float, as_json: bool) -> None:
    """Watch the cluster: rates, delays, slow consumers, workers, the last hour. Ctrl+C ends it.

    \b
    flask top
    flask top --once --json
    """
    operations = operations_of(services)
    if as_json:
        totals, overview = operations.totals(), operations.statistics()
        print_json({"totals": asdict(totals), **overview.shown()})
    elif once or not sys.stdout.isatty():
        show(operations.totals(), operations.statistics())
    else:
        watch(operations, interval)


def watch(operations: Operations, interval: float) -> None:
    """Renew the screen until Ctrl+C. A cluster that cannot be asked is said so above the last numbers."""
    lines: list[str] = []
    over = threading.Event()
    # handlers, because gevent's hub would print the exception that Ctrl+C otherwise is
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    sys.stdout.write(OTHER_SCREEN)
    try:
        while not over.is_set():
            try:
                lines = _drawn(operations.totals(), operations.statistics())
                trouble = []
            except Unavailable as err:
                trouble = [clean(sentence(err)), "These numbers are old.", ""]
            columns, rows = shutil.get_terminal_size((80, 24))
            shown = [line[:columns] + TO_LINE_END for line in [*trouble, *lines][: rows - 1]]
            sys.stdout.write(HOME + "\n".join(shown) + TO_SCREEN_END)
            sys.stdout.flush()
            over.wait(interval)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        sys.stdout.write(BACK)
        sys.stdout.flush()


def show(totals: Totals, overview: Overview) -> None:
    """Print it."""
    figures, channels = overview.figures, counted(totals.channels, "channel")
    click.echo(f"MechaMap real-time  {counted(totals.workers, 'worker')}  {moment(overview.at)}")
    click.echo()
    fields(
        (
            ("now", f"{counted(totals.connections, 'connection')} of {counted(totals.users, 'user')}, "
                    f"{counted(totals.subscriptions, 'subscription')} of {channels}"),
            ("traffic", f"{_rate(figures.events)} events/s in, {_rate(figures.deliveries)} deliveries/s out"),
            ("delay", f"p50 {_delay(figures.p50)}, p99 {_delay(figures.p99)} from publish to socket write"),
            ("slow", f"{figures.slow:,} consumers, {figures.backlog:,} bytes wait for them"),
            ("stall", f"{_delay(figures.stall)} at most in the last ten seconds"),
        )
    )  # fmt: skip
    click.echo()
    _last_hour(overview)
    click.echo()
    table(
        ("SLOT", "PID", "CONNS", "IN/S", "OUT/S", "STALL", "SLOW", "MEMORY", "UP", "STATE", "HOST"),
        [_row(worker, overview.at) for worker in overview.workers],
        flexible=10,
        right=range(9),
    )
    click.echo()
    fields([("refused", reasons(overview.total)), ("errors", f"{overview.total.errors:,} answers of 5xx")])


def reasons(total: Tally) -> str:
    """The most frequent reasons of the last hour."""
    counts = [
        (count, f"{kind} {code}")
        for kind, codes in total.codes.items()
        if kind != "disconnection"
        for code, count in codes.items()
        if code not in GOOD
    ]
    ended = total.codes.get("disconnection", {}).get("slow_consumer", 0)
    if ended:
        counts.append((ended, "closed slow_consumer"))
    counts.sort(key=lambda each: (-each[0], each[1]))
    return ", ".join(f"{code} {count:,}" for count, code in counts[:REASONS]) or "nothing in the last hour"


def _last_hour(overview: Overview) -> None:
    """One line of bars for each figure, the present at its right end."""
    size = min(60, width() - 34)
    lines: list[tuple[str, list[float | None], str]] = []
    for label, name, told in (
        ("connections", "connections", "{:,.0f}"),
        ("events/s", "events", "{:,.1f}"),
        ("deliveries/s", "deliveries", "{:,.1f}"),
        ("p99 ms", "p99", "{:,.1f}"),
    ):
        values = columns_of(overview.hour, name, overview.at, size)
        factor = 1000 if name == "p99" else 1
        known = [value * factor for value in values if value is not None]
        most = f"most {told.format(max(known))}" if known else "none"
        lines.append((label, values, most))
    for label, values, most in lines:
        click.echo(f"{label:<13}|{bars(values)}| {most}")
    click.echo(f"{'':<13} an hour ago{'now':>{size - 11}}")


def columns_of(hour: Sequence[Moment], name: str, now: float, size: int) -> list[float | None]:
    """The hour in ``size`` columns, each the most of its moments; None where there are none."""
    found: list[float | None] = [None] * size
    for each in hour:
        value = getattr(each, name)
        place = int((each.at - (now - HOUR)) / HOUR * size)
        if value is not None and 0 <= place < size:
            found[place] = max(value, found[place] or 0.0)
    return found


def bars(values: Sequence[float | None]) -> str:
    """One character each; the highest is full, nothing measured is blank, zero is a low bar."""
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(
        BARS[0] if value is None else BARS[1 + round(value / most * 7)] if most else BARS[1]
        for value in values
    )


def _row(worker: WorkerFigures, now: float) -> tuple[object, ...]:
    record, pulse = worker.record, worker.pulse
    state = "draining" if record.draining else "serving"
    if pulse is None:
        return (record.slot, record.pid, f"{record.connections:,}", "–", "–", "–", "–",
                megabytes(record.memory), ago(record.started_at), state, record.host)  # fmt: skip
    if not pulse.load.broker:
        state = "no broker"
    elif now - pulse.at > 10:
        state = f"silent {ago(pulse.at, now)}"
    return (
        record.slot,
        record.pid,
        f"{pulse.load.connections:,}",
        _rate(pulse.events_per_second),
        _rate(pulse.deliveries_per_second),
        _delay(pulse.stall),
        f"{pulse.load.slow:,}",
        megabytes(pulse.load.memory),
        ago(record.started_at),
        state,
        record.host,
    )


def _drawn(totals: Totals, overview: Overview) -> list[str]:
    with redirect_stdout(io.StringIO()) as paper:
        show(totals, overview)
    return paper.getvalue().splitlines()


def _rate(number: float) -> str:
    return f"{number:,.1f}" if number < 10 else f"{number:,.0f}"


def _delay(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
