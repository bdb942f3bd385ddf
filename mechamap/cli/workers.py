"""``flask workers``: the processes that hold the connections."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from .cluster import operations_of
from .command import Nouns, json_option, pass_services
from .printing import ago, megabytes, note, print_json, table

if TYPE_CHECKING:
    from mechamap.services import Services

group = Nouns("workers", help="Server processes and what they carry.")


@group.command("list")
@json_option
@pass_services
def list_workers(services: "Services", as_json: bool) -> None:
    """List the live workers of every machine."""
    workers = operations_of(services).workers()
    if as_json:
        print_json([asdict(worker) for worker in workers])
        return
    if not workers:
        note("No worker is alive. Start the server with `make run`.")
        return
    table(
        ("SLOT", "PID", "CONNECTIONS", "MEMORY", "UP", "STATE", "HOST"),
        [
            (
                worker.slot,
                worker.pid,
                f"{worker.connections:,}",
                megabytes(worker.memory),
                ago(worker.started_at),
                "draining" if worker.draining else "serving",
                worker.host,
            )
            for worker in workers
        ],
        flexible=6,
        right=(0, 1, 2, 3, 4),
    )
