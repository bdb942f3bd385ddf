"""This machine: descriptors for the connections, the proxy in front, files for the browser."""

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

from mechamap.presence.protocol import WorkerRecord
from mechamap.settings import ROOT, Settings

from .finding import Finding, graver, ok, warn

AREA = "Machine"
SPARE = 320
"""Descriptors of a worker beside its browsers: 256 HTTP requests under way, Redis, databases, logs."""
VENDOR = ROOT / "static" / "vendor"
VENDOR_FILES = ("socket.io.min.js",)


def examine(settings: Settings, workers: Sequence[WorkerRecord]) -> Iterator[Finding]:
    """Args:
    workers: the live ones; empty while no server runs.
    """
    yield _descriptors(settings, workers)
    yield from _proxies(settings)
    missing = [name for name in VENDOR_FILES if not (VENDOR / name).exists()]
    if missing:
        yield warn(
            AREA,
            "browser files",
            f"static/vendor lacks {', '.join(missing)}: pages get no live updates.",
            "Fetch them with `make setup` (it needs npm).",
        )
    else:
        yield ok(AREA, "browser files", f"static/vendor has all {len(VENDOR_FILES)}.")


def _descriptors(settings: Settings, workers: Sequence[WorkerRecord]) -> Finding:
    needed = -(-settings.max_connections // settings.workers) + SPARE
    limits = [limit for worker in workers if (limit := limit_of(worker)) is not None]
    whose = "a running worker" if limits else "a process started from here"
    limit = min(limits) if limits else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ok(AREA, "descriptors", f"{whose} may open {_count(limit)}; {needed:,} are needed.")
    return graver(
        settings.production,
        AREA,
        "descriptors",
        f"{whose} may open {_count(limit)}; MAX_CONNECTIONS={settings.max_connections} needs {needed:,}.",
        f"Start it after `ulimit -n {needed}` (`make run` does so), or set LimitNOFILE= in the systemd unit.",
    )


def limit_of(worker: WorkerRecord) -> int | None:
    """A worker's own limit; None when it is not a process of this machine."""
    import socket

    if worker.host != socket.gethostname():
        return None
    try:
        lines = Path(f"/proc/{worker.pid}/limits").read_text().splitlines()
    except OSError:
        return None
    soft = next((line.split()[3] for line in lines if line.startswith("Max open files")), "")
    return int(soft) if soft.isdigit() else resource.RLIM_INFINITY if soft == "unlimited" else None


def _proxies(settings: Settings) -> Iterator[Finding]:
    if not settings.production:
        return
    if settings.trusted_proxies:
        yield ok(
            AREA, "proxy", f"forwarded headers of {len(settings.trusted_proxies)} networks are believed."
        )
    elif not settings.tls:
        yield warn(
            AREA,
            "proxy",
            "TRUSTED_PROXIES is empty: behind a proxy every browser has the proxy's address, "
            "and limits per address hit all of them at once.",
            "Set TRUSTED_PROXIES to the proxy's address.",
        )


def _count(limit: int) -> str:
    return "any number of descriptors" if limit == resource.RLIM_INFINITY else f"{limit:,} descriptors"
