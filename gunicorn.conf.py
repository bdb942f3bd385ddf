"""gunicorn: the engine's worker class, one slot per worker, metrics shared by files, and the life of the
runtime inside each worker."""

import os
import shutil
import sys

# Only modules that import neither ssl nor redis: the workers patch the standard library after this file was
# read.
from mechamap import logs
from mechamap.engine import slots
from mechamap.settings import SettingsError, load

try:
    settings = load()
except SettingsError as err:
    sys.exit(f"mechamap: {err}")

bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
workers = settings.workers
worker_class = "mechamap.engine.worker.Worker"
# This worker's share of the connections, and room for the HTTP requests beside them.
worker_connections = -(-settings.max_connections // settings.workers) + 256
timeout = 30
graceful_timeout = 20
preload_app = False
control_socket_disable = True  # gunicorn >= 25.1 opens one in the home folder: two servers would meet there
proc_name = "mechamap-realtime"
logconfig_dict = logs.config(settings.log_level, settings.log_format)
accesslog = None  # its lines hold query strings, and those may hold tokens
if settings.tls:
    certfile = str(settings.ssl_cert_path)
    keyfile = str(settings.ssl_key_path)

metrics_folder = settings.instance_path / "metrics"
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder)


def on_starting(server):
    """Counters of an earlier run would be added to this one's."""
    shutil.rmtree(metrics_folder, ignore_errors=True)
    metrics_folder.mkdir(parents=True)
    slots.on_starting(server)


def on_exit(server):
    slots.on_exit(server)


def pre_fork(server, worker):
    slots.pre_fork(server, worker)


def post_fork(server, worker):
    slots.post_fork(server, worker)


def post_worker_init(worker):
    """The application is loaded and the standard library patched: start listening to the broker."""
    from wsgi import app

    app.extensions["mechamap"].runtime.start()


def worker_exit(server, worker):
    from wsgi import app

    app.extensions["mechamap"].runtime.stop()


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
