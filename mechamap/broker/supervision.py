"""Threads a worker cannot live without: when one ends by an error, the owner is told and the worker gives up.

Standard threads, because gevent's patching makes greenlets of them in a worker and an unpatched process (a
command line, a test) can run the same code.
"""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


def log_lost(name: str) -> None:
    """For processes with nobody to tell: ``supervised`` has logged it already."""


def supervised(name: str, run: Callable[[], None], on_lost: Callable[[str], None]) -> threading.Thread:
    """Start ``run`` in a daemon thread called ``name``; ``on_lost(name)`` if it ends by an exception."""

    def supervise() -> None:
        try:
            run()
        except Exception:
            log.critical("thread_lost", extra={"thread_name": name}, exc_info=True)
            on_lost(name)

    thread = threading.Thread(target=supervise, name=name, daemon=True)
    thread.start()
    return thread


def join(thread: threading.Thread, timeout: float) -> None:
    """Wait for the end of a thread, unless it is the one that asks."""
    if thread is not threading.current_thread():
        thread.join(timeout)
