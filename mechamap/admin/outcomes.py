"""What happened in the last hour on all workers, by the codes that logs, metrics and clients use."""

from collections import Counter
from dataclasses import dataclass

from mechamap.domain.statistics import Tally

TITLES = {
    "connection": "Connections",
    "subscription": "Subscriptions",
    "publication": "Publications",
    "disconnection": "Ended",
}
GOOD = frozenset({"accepted", "allowed"})
SHOWN = 10
"""Codes per row, most frequent first; ``/metrics`` has them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kind of thing that ends in a code."""

    title: str
    codes: list[tuple[str, int]]


def outcomes(total: Tally | None) -> list[Outcome]:
    """A row for each kind, server errors only if there were some."""
    codes = total.codes if total is not None else {}
    rows = [Outcome(title, Counter(codes.get(kind, {})).most_common(SHOWN)) for kind, title in TITLES.items()]
    if total is not None and total.errors:
        rows.append(Outcome("Server errors", [("HTTP 5xx", total.errors)]))
    return rows
