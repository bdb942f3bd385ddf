"""The file ``.env``: names that look like a setting and are none, which the server passes over in silence."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from mechamap.settings import ROOT

from .finding import Finding, ok, warn
from .laravel_env import NotReadable, read
from .values import VARIABLES

AREA = "Settings"
FILE = ROOT / ".env"
ALIKE = 0.8
"""Part of two names that is the same, by ``difflib``, from which on one is taken for the other misspelt."""


def examine(path: Path = FILE) -> Iterator[Finding]:
    """What there is to say of the file, which may hold other programs' variables; nothing without one."""
    if not path.exists():
        return
    try:
        names = list(read(path))
    except NotReadable as err:
        yield warn(AREA, path.name, str(err), "Mend the file, or its rights.")
        return
    known = set(VARIABLES.values())
    misspelt = False
    for name in names:
        if name not in known and (meant := get_close_matches(name.upper(), known, 1, ALIKE)):
            misspelt = True
            yield warn(
                AREA,
                name,
                f"{path.name} sets {name}, which is no setting.",
                f"Write {meant[0]} if that is meant.",
            )
    if not misspelt:
        yield ok(AREA, path.name, "No name in it looks like a misspelt setting.")
