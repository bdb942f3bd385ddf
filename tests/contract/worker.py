"""A worker as a process of its own, with the standard library unpatched: python -m tests.contract.worker.

Prints ``ready`` once it is counted, then the name of each event, until it is killed.
"""

import sys
import time

from mechamap.broker.redis import RedisBroker
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord
from mechamap.presence.redis import RedisRoster


class Printer:
    def on_publication(self, publication) -> None:
        print(publication.event, flush=True)

    def on_command(self, command) -> None:
        print(command.action, flush=True)

    def on_gap(self, channels, reason) -> None:
        print(reason, flush=True)


def main(url: str, worker_id: str, lease: str, *channels: str) -> None:
    broker = RedisBroker(url, worker_id, lease=float(lease))
    roster = RedisRoster(url, worker_id, lease=float(lease))
    broker.start(Printer())
    roster.start(lambda: WorkerRecord(worker_id, 9, 1, "host", 1.0, 1, 1))
    for channel in channels:
        broker.subscribe(channel)
    roster.record(
        ConnectionRecord(
            f"9.{worker_id}", 9, None, None, worker_id, "websocket", None, None, "jwt", 1.0, None
        )
    )
    while roster.totals()[0] == 0:
        time.sleep(0.02)
    print("ready", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
