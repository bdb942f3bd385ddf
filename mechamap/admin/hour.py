"""The last hour for the charts of the overview: columns of numbers, a tenth of what records would take."""

from typing import Any

from mechamap.hub.statistics import Overview


def columns(statistics: Overview | None) -> dict[str, Any]:
    """One list for each line; ``at`` says when each ten seconds began (Unix seconds). Delays are in
    milliseconds, None where nothing was delivered. Without statistics all are empty."""
    moments = statistics.hour if statistics is not None else []
    return {
        "now": statistics.at if statistics is not None else 0,
        "at": [moment.at for moment in moments],
        "connections": [moment.connections for moment in moments],
        "events": [round(moment.events, 2) for moment in moments],
        "deliveries": [round(moment.deliveries, 2) for moment in moments],
        "p50": [_milliseconds(moment.p50) for moment in moments],
        "p99": [_milliseconds(moment.p99) for moment in moments],
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
