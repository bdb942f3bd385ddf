"""gunicorn's configuration for `echo_app`: the stock worker, nothing of the project."""

import os

bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
worker_class = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
control_socket_disable = True
graceful_timeout = 1
