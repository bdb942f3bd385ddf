"""The worker with short deadlines, so that waiting for them does not slow the tests down."""

from mechamap.engine.http import Handler
from mechamap.engine.worker import Worker


class ImpatientHandler(Handler):
    head_timeout = 0.5
    idle_timeout = 1.0
    body_timeout = 0.7


class ImpatientWorker(Worker):
    wsgi_handler = ImpatientHandler
