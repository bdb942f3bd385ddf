"""Paper for a terminal of 80 columns or any other width: tables, labelled values, notes, times; and JSON."""

import json
import shutil
import textwrap
import time
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum

import click

GAP = "  "
MIN_WIDTH = 60


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return max(MIN_WIDTH, shutil.get_terminal_size((80, 24)).columns)


def print_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_json_value)
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        # half a surrogate pair, as a forged token's claims may hold, cannot be written as UTF-8
        text = json.dumps(value, indent=2, default=_json_value)
    click.echo(text)


def note(text: str) -> None:
    """A remark beside the answer, on stderr: what stdout holds can be piped."""
    for paragraph in text.splitlines():
        click.echo(textwrap.fill(clean(paragraph), width(), break_on_hyphens=False), err=True)


def heading(text: str) -> None:
    click.secho(text, bold=True)


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    flexible: int | None = None,
    right: Collection[int] = (),
) -> None:
    """Columns as wide as their widest cell; ``flexible`` is cut where the line would not fit."""
    cells = [[clean(str(value)) for value in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(headers, *cells, strict=True)]
    if flexible is not None:
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - width()
        if excess > 0:
            widths[flexible] = max(len(headers[flexible]), widths[flexible] - excess, 4)
    click.secho(_line(headers, widths, right), dim=True)
    for row in cells:
        click.echo(_line(row, widths, right))


def fields(pairs: Iterable[tuple[str, object]], *, indent: str = "") -> None:
    """Labels and their values below each other; long values continue under themselves, and a word too long to
    stand beside the labels begins a line of its own."""
    told = [(label, clean(str(value))) for label, value in pairs]
    label_width = max((columns(label) for label, _ in told), default=0)
    for label, value in told:
        lead = f"{indent}{padded(label, label_width)}{GAP}"
        below = " " * columns(lead)
        if max(map(columns, value.split()), default=0) > width() - len(below):
            click.echo(lead.rstrip())
            lead = below = f"{indent}{GAP}"
        click.echo(
            textwrap.fill(
                value or "–",
                width(),
                initial_indent=lead,
                subsequent_indent=below,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def clean(text: str) -> str:
    """``text`` without control characters.

    A browser chooses its User-Agent and a person their name; neither may move the operator's cursor.
    """
    return "".join(c if c.isprintable() else "�" for c in text)


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def padded(text: str, size: int, *, right: bool = False) -> str:
    """``text`` in exactly ``size`` columns."""
    while columns(text) > size:
        text = text[:-2] + "…"
    space = " " * (size - columns(text))
    return space + text if right else text + space


def ago(moment: float | datetime | None, now: float | None = None) -> str:
    """How long since: ``12 s``, ``5 min``, ``3 h``, ``9 d``."""
    if moment is None:
        return "never"
    then = moment.timestamp() if isinstance(moment, datetime) else moment
    return span(max(0.0, (time.time() if now is None else now) - then))


def span(seconds: float) -> str:
    """A length of time in its largest whole unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def moment(seconds: float) -> str:
    """A moment (Unix seconds), in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def megabytes(size: int) -> str:
    return f"{size / 1_048_576:.0f} MB"


def counted(number: int, noun: str) -> str:
    """``1 connection``, ``2 connections``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    return GAP.join(
        padded(cell, size, right=index in right)
        for index, (cell, size) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
