"""gunicorn's configuration for the engine's tests: only what the engine needs."""

import json
import os

from mechamap.engine import slots

bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
worker_class = os.environ.get("WORKER", "mechamap.engine.worker.Worker")
workers = int(os.environ.get("WORKERS", "1"))
control_socket_disable = True
graceful_timeout = 8
on_starting = slots.on_starting
on_exit = slots.on_exit
pre_fork = slots.pre_fork
post_fork = slots.post_fork
globals().update(json.loads(os.environ.get("GUNICORN", "{}")))
