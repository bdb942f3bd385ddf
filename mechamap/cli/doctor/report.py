"""The doctor's findings on paper."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby

import click

from mechamap.cli.printing import clean, columns, counted, fields, heading, padded, width

from .finding import Finding, Status, worst

MARKS = {Status.OK: ("ok", "green"), Status.WARN: ("warn", "yellow"), Status.FAIL: ("FAIL", "red")}


def print_report(settings: Mapping[str, str], findings: Sequence[Finding]) -> None:
    """Settings first, then each area, and the sum last, where a terminal ends up."""
    heading("Settings in effect")
    fields(((name, value) for name, value in settings.items()), indent="  ")
    name_width = max(columns(finding.name) for finding in findings)
    for area, its in groupby(findings, key=lambda finding: finding.area):
        click.echo()
        heading(area)
        for finding in its:
            _print(finding, name_width)
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    click.echo()
    warnings, failures = counted(counts[Status.WARN], "warning"), counted(counts[Status.FAIL], "failure")
    click.secho(f"{counts[Status.OK]} well, {warnings}, {failures}", fg=MARKS[worst(findings)][1], bold=True)


def _print(finding: Finding, name_width: int) -> None:
    mark, colour = MARKS[finding.status]
    click.echo("  ", nl=False)
    click.secho(f"{mark:<4}", fg=colour, bold=finding.status is not Status.OK, nl=False)
    margin = 2 + 4 + 2 + name_width + 2
    lead = f"  {padded(finding.name, name_width)}  "
    for index, text in enumerate((finding.said, f"→ {finding.mend}" if finding.mend else "")):
        lines = textwrap.wrap(clean(text), max(30, width() - margin), break_on_hyphens=False)
        for number, line in enumerate(lines):
            click.echo((lead if index == number == 0 else " " * margin) + line)
