"""Measures this server beside its peers, in interleaved rounds on one machine, and prints medians.

    .venv/bin/python bench/run.py [--works room,private] [--servers ours,node] [--rounds 3] [--json FILE]

Needs two idle cores (one for the server, one for the load client), a C compiler, Node and redis-server. Only
the ratios within one call are meaningful: the same server moves by up to 40 % between minutes on a shared
machine. docs/PERFORMANCE.md tells the method and what was measured.
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cluster
import console
import presence
import scale
import works
from servers import start
from works import Run

ALL = ("ours", "node", "stock", "climit")
PEERS = ("ours", "node", "stock")
WITHOUT = ("ours", "forgetful")


@dataclass(frozen=True)
class Work:
    """What is measured, on which servers, what of it is shown, and how ours is started for it."""

    measure: Callable[[Run], dict]
    figures: tuple[str, ...]
    servers: tuple[str, ...] = PEERS
    start: dict = field(default_factory=dict)


_ROOM = ("cpu_us_per_deliv", "lat_p50_ms", "lat_p99_ms", "lost", "misorder", "retrans")
_FULL = ("deliv_per_s", "cpu_us_per_deliv", "lost", "retrans")
_PRIVATE = ("pub_per_s", "cpu_us_per_pub", "lat_p50_ms", "lat_p99_ms", "lost", "client_cpu_pct")
_CONNECT = ("connect_per_s", "connect_cpu_us", "connect_p99_ms", "dead")
_VANISH = (
    "cpu_us_per_client", "slowest_health_ms", "descriptors_held", "descriptors_left", "pss_held_mb",
    "pss_left_mb",
)  # fmt: skip
_SCALE = ("connections", "cpu_us_per_deliv", "cpu_us_per_pub", "lat_p99_ms", "lost")
_REDIS = {"redis": True}
_CONSOLE = (
    "alone_percent", "watched_percent", "viewer_percent", "live_ms", "list_ms", "looks", "deliv_per_s",
    "lat_p99_ms", "lost",
)  # fmt: skip
_PRESENCE = (
    "members", "announcements", "cpu_ms_per_joining", "cpu_us_per_deliv", "bytes_per_member", "last_told_ms",
    "late_cpu_ms_per_joining", "late_cpu_us_per_deliv", "late_last_told_ms",
)  # fmt: skip

WORKS: dict[str, Work] = {
    "ten": Work(works.ten, _ROOM, ALL),
    "thirty": Work(works.thirty, _ROOM, ALL),
    "two": Work(works.two, _FULL, ALL),
    "sixteen": Work(works.sixteen, _FULL, ALL),
    "fairness": Work(
        works.fairness,
        ("private_p50_ms", "private_p99_ms", "room_p50_ms", "room_p99_ms", "lost", "misorder", "unsent"),
    ),
    "idle": Work(works.idle, (*_CONNECT[:2], "pss_per_conn_kb", "rss_per_conn_kb", "dead")),
    "connect": Work(works.connect, _CONNECT),
    "private": Work(works.private, _PRIVATE),
    "batch": Work(works.batch, _PRIVATE, ("ours", "node")),
    "ingest": Work(cluster.ingest, (*_PRIVATE, "redis_us_per_pub"), ("ours",), {"ingest": True}),
    "one-connect": Work(works.connect, _CONNECT, ("ours",), _REDIS),
    "one-room": Work(works.ten, _ROOM, ("ours",)),
    "two-room": Work(
        cluster.cluster_room, (*_ROOM, "redis_us_per_deliv"), ("ours",), {"workers": 2, **_REDIS}
    ),
    "two-private": Work(
        cluster.cluster_private, (*_PRIVATE, "redis_us_per_deliv"), ("ours",), {"workers": 2, **_REDIS}
    ),
    "two-idle": Work(
        cluster.cluster_idle,
        ("busy_worker_percent", "idle_worker_percent", "resting_percent", "pub_per_s", "lat_p99_ms", "lost"),
        ("ours",),
        {"workers": 2, **_REDIS},
    ),
    "vanish-5000": Work(works.vanish_5000, _VANISH),
    "vanish-10000": Work(works.vanish_10000, _VANISH),
    "stalled": Work(
        works.stalled,
        ("lost", "misorder", "stalled_left", "pss_growth_mb", "pss_end_mb", "cpu_us_per_deliv", "lat_p99_ms"),
    ),
    "gc": Work(
        works.collection,
        (
            "longest_connecting_ms", "longest_staying_ms", "longest_leaving_ms", "collections",
            "health_p99_ms", "health_max_ms",
        ),
        ("ours", "node"),
        {"app": "watched:app"},
    ),
    "console": Work(console.console, _CONSOLE, ("ours",)),
    "console-redis": Work(console.console, _CONSOLE, ("ours",), _REDIS),
    # what logs, positions and sessions cost
    "kept-thirty": Work(works.thirty, _ROOM, WITHOUT),
    "kept-sixteen": Work(works.sixteen, _FULL, WITHOUT),
    "kept-private": Work(works.private, _PRIVATE, WITHOUT),
    "kept-idle": Work(works.idle, (*_CONNECT[:2], "pss_per_conn_kb", "rss_per_conn_kb", "dead"), WITHOUT),
    **{name: Work(work, _SCALE, ("ours",)) for name, work in scale.series().items()},
    **{name: Work(work, _PRESENCE, ("ours",)) for name, work in presence.series().items()},
    **{f"{name}-redis": Work(work, _PRESENCE, ("ours",), _REDIS) for name, work in presence.series().items()},
}  # fmt: skip
GROUPS = {
    "room": ("ten", "thirty"),
    "saturation": ("two", "sixteen"),
    "publishing": ("private", "batch", "ingest"),
    "cluster": ("one-connect", "one-room", "two-room", "two-private", "two-idle"),
    "watching": ("console", "console-redis"),
    "vanish": ("vanish-5000", "vanish-10000"),
    "recovery": ("kept-thirty", "kept-sixteen", "kept-private", "kept-idle"),
    "scale": tuple(scale.series()),
    "presence": tuple(f"{name}{way}" for name in presence.series() for way in ("", "-redis")),
    "all": tuple(WORKS),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--servers",
        default=",".join((*ALL, "forgetful")),
        help="those of a work that are named here take part",
    )
    options.add_argument("--works", default="all", help=f"works or groups: {', '.join([*GROUPS, *WORKS])}")
    options.add_argument(
        "--seconds", type=float, default=4.0, help="of measuring, where a work has no longer need"
    )
    options.add_argument("--share", type=float, default=1.0, help="of the clients, to try a work out")
    options.add_argument("--json", type=Path, help="write every run to this file")
    options.add_argument("--port", type=int, default=5100, help="the first of those that are used")
    chosen = options.parse_args()
    names = [name for each in chosen.works.split(",") for name in GROUPS.get(each, (each,))]
    runs: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for _ in range(chosen.rounds):
        for name in names:
            work = WORKS[name]
            for number, peer in enumerate(work.servers):
                if peer not in chosen.servers.split(","):
                    continue
                server = start(peer, chosen.port + number, **work.start)
                try:
                    runs[name, peer].append(work.measure(Run(server, chosen.share, chosen.seconds)))
                finally:
                    server.stop()
    if chosen.json:
        every = [
            {"work": name, "server": peer, **run} for (name, peer), found in runs.items() for run in found
        ]
        chosen.json.write_text(json.dumps(every, indent=1) + "\n")
    for name in names:
        _table(name, runs)


def _table(name: str, runs: dict[tuple[str, str], list[dict]]) -> None:
    work = WORKS[name]
    print(f"\n{name}: {work.measure.__doc__.splitlines()[0]}\n")
    print("| server | " + " | ".join(work.figures) + " |")
    print("|---" * (len(work.figures) + 1) + "|")
    for peer in work.servers:
        if found := runs.get((name, peer)):
            medians = [statistics.median(run.get(figure, 0) for run in found) for figure in work.figures]
            shown = [f"{median:,.2f}".rstrip("0").rstrip(".") for median in medians]
            print(f"| {peer} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
