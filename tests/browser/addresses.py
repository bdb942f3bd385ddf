"""The addresses that docs/CONSOLE.md lists."""

import re

from tests.services.processes import ROOT

LISTED = re.compile(r"^\| `(/admin[^`]*)` \| ([A-Z ]+) \| `(\w+)` \| `flask ", re.MULTILINE)


def documented() -> dict[str, tuple[set[str], str]]:
    """Address → (methods, permission), as docs/CONSOLE.md has them."""
    rows = LISTED.findall((ROOT / "docs" / "CONSOLE.md").read_text())
    return {path: (set(methods.split()), permission) for path, methods, permission in rows}


def is_of(address: str, path: str) -> bool:
    """Whether ``path`` is the address with something in place of its variables."""
    return re.fullmatch(re.sub(r"<\w+>", "[^/]+", address), path) is not None
