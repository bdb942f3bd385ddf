"""Lengths of time as people type them: ``90s``, ``15m``, ``1h``, ``7d``."""

import re
from typing import Any

import click

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd]?)", re.ASCII)


class Duration(click.ParamType):
    """Seconds, from text with a unit; a number alone is seconds."""

    name = "duration"

    def __init__(self, most: int) -> None:
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is not a length of time such as 90s, 15m, 1h or 7d.", param, ctx)
        seconds = int(match[1]) * _UNITS[match[2] or "s"]
        if seconds > self.most:
            self.fail(f"{value!r} is longer than the limit of {self.most // 86_400} days.", param, ctx)
        return seconds
