"""What happened on this machine since the server started, by the codes that logs, metrics and clients use."""

from collections import Counter
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from mechamap.metrics import Metrics

TITLES = {
    "realtime_connection_attempts": "Connections",
    "realtime_subscription_decisions": "Subscriptions",
    "realtime_publications": "Publications",
    "realtime_disconnections": "Ended",
}
GOOD = frozenset({"accepted", "allowed"})
SHOWN = 8
"""Codes per row, most frequent first; ``/metrics`` has them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kind of thing that ends in a code."""

    title: str
    codes: list[tuple[str, int]]


def outcomes(metrics: Metrics) -> list[Outcome]:
    """Read back from what ``/metrics`` shows, summed over this machine's workers: 3 ms for sixty codes."""
    text, _ = metrics.render()
    counted: dict[str, Counter[str]] = {title: Counter() for title in TITLES.values()}
    for family in text_string_to_metric_families(text.decode()):
        if family.name in TITLES:
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    counted[TITLES[family.name]][sample.labels["code"]] += int(sample.value)
    return [Outcome(title, codes.most_common(SHOWN)) for title, codes in counted.items()]
