"""Lengths of time as people type them."""

import click
import pytest

from mechamap.cli.durations import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800), (" 2H ", 7200)],
)
def test_a_length_of_time_is_read(text: str, seconds: int):
    assert Duration(365 * 86_400).convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1h", "1.5h", "1h30m", "h", "１h", "366d", "9999999999"])
def test_what_cannot_be_meant_is_refused(text: str):
    with pytest.raises(click.BadParameter):
        Duration(365 * 86_400).convert(text, None, None)
