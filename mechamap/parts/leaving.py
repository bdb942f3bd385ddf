"""How a worker ends that can no longer hear the cluster."""

import logging
import os
import signal

log = logging.getLogger(__name__)


def leave(why: str) -> None:
    """A worker deaf to the cluster must not pretend: it says so and ends; the arbiter starts another."""
    log.critical("worker_gives_up", extra={"why": why})
    os.kill(os.getpid(), signal.SIGTERM)
