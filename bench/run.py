"""Measures this server beside its peers, in interleaved rounds on one machine, and prints medians.

    .venv/bin/python bench/run.py [--rounds 3] [--servers ours,node,stock,climit] [--works ten,private,idle]

Needs two idle cores (one for the server, one for the load client), a C compiler and Node. Only the ratios
within one call are meaningful: the same server moves by up to 40 % between minutes on a shared machine.
docs/PERFORMANCE.md tells the method and what was measured.
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable

from servers import KEY, Server, load, start, tokens

ROOM = 1_000
USERS = 5_000
IDLE = 10_000
EVENT = '"event":"event","data":{"ts":@TS@,"n":@N@,"title":"t","body":"@PAD@","id":7,"type":"comment"}'


def _base(server: Server, number: int) -> list[str]:
    return [
        "--ports", str(server.port), "-n", str(number), "--pids", ",".join(map(str, server.pids())),
        "--auth", '{"token":"@TOK@"}', "--tokens", str(tokens(max(number, USERS))),
        "--pub-headers", f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n",
    ]  # fmt: skip


def _room(server: Server, *pace: str) -> dict:
    """Everyone in one room. The C program confirms without naming the room."""
    confirmed = '42["subscribed"' if server.name == "climit" else '42["subscribed",{"channel":"public.room"'
    return load(
        *_base(server, ROOM),
        "--sub", '42["subscribe",{"channel":"public.room"}]',
        "--sub-wait", confirmed,
        "--pub-body", '{"channel":"public.room",' + EVENT + "}", "--dur", "4", *pace,
    )  # fmt: skip


def ten(server: Server) -> dict:
    """1,000 browsers in one room, 10 events a second."""
    return _room(server, "--rate", "10", "--pub-conns", "1")


def thirty(server: Server) -> dict:
    """1,000 browsers in one room, 30 events a second, one publisher."""
    return _room(server, "--rate", "30", "--pub-conns", "1")


def two(server: Server) -> dict:
    """1,000 browsers in one room, 2 broadcasts under way."""
    return _room(server, "--window", "2", "--pub-conns", "2")


def sixteen(server: Server) -> dict:
    """1,000 browsers in one room, 16 broadcasts under way."""
    return _room(server, "--window", "16", "--pub-conns", "16")


def private(server: Server) -> dict:
    """5,000 users, one recipient per publication, 16 under way."""
    return load(
        *_base(server, USERS),
        "--pub-body", '{"channel":"private-user.1@I@",' + EVENT + "}",
        "--targets", str(USERS), "--fanout", "1", "--window", "16", "--pub-conns", "16", "--dur", "4",
    )  # fmt: skip


def idle(server: Server) -> dict:
    """10,000 browsers connect, sign in, and stay."""
    return load(*_base(server, IDLE), "--idle", "3")


WORKS: dict[str, tuple[Callable[[Server], dict], tuple[str, ...]]] = {
    "ten": (ten, ("cpu_us_per_deliv", "lat_p50_ms", "lat_p99_ms", "lost", "misorder")),
    "thirty": (thirty, ("cpu_us_per_deliv", "lat_p50_ms", "lat_p99_ms", "lost", "misorder")),
    "two": (two, ("deliv_per_s", "cpu_us_per_deliv", "lost")),
    "sixteen": (sixteen, ("deliv_per_s", "cpu_us_per_deliv", "lost")),
    "private": (private, ("pub_per_s", "cpu_us_per_deliv", "lat_p50_ms", "lat_p99_ms", "lost")),
    "idle": (idle, ("connect_per_s", "connect_cpu_us", "pss_per_conn_kb")),
}
SIGNED_IN_ONLY = {"private", "idle"}
"""Works that need sign-in; the C program has none."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--servers", default="ours,node,stock,climit")
    options.add_argument("--works", default=",".join(WORKS))
    options.add_argument("--json", action="store_true", help="print every run, not only medians")
    chosen = options.parse_args()
    runs: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for _ in range(chosen.rounds):
        for work in chosen.works.split(","):
            for number, name in enumerate(chosen.servers.split(",")):
                if name == "climit" and work in SIGNED_IN_ONLY:
                    continue
                server = start(name, 5100 + number)
                try:
                    runs[work, name].append(WORKS[work][0](server))
                finally:
                    server.stop()
    if chosen.json:
        print(
            json.dumps(
                [
                    {"work": work, "server": name, **run}
                    for (work, name), found in runs.items()
                    for run in found
                ]
            )
        )
        return
    for work, (measure, figures) in WORKS.items():
        if work not in chosen.works.split(","):
            continue
        print(f"\n{measure.__doc__}\n")
        print("| server | " + " | ".join(figures) + " |")
        print("|---" * (len(figures) + 1) + "|")
        for name in chosen.servers.split(","):
            found = runs.get((work, name), [])
            if found:
                medians = [statistics.median(run.get(figure, 0) for run in found) for figure in figures]
                print(
                    f"| {name} | "
                    + " | ".join(f"{median:,.2f}".rstrip("0").rstrip(".") for median in medians)
                    + " |"
                )


if __name__ == "__main__":
    main()
