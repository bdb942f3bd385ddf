"""Event handlers of the application: what they take, and what calling them leaves behind."""

import inspect
from collections.abc import Callable
from functools import lru_cache, wraps

import flask


@lru_cache(maxsize=256)  # reading a signature is slow, and this runs for every connect and disconnect
def takes_argument(handler: Callable) -> bool:
    """Whether the handler can be called with one argument."""
    try:
        inspect.signature(handler).bind(None)
    except TypeError:
        return False
    return True


def without_traceback(handler: Callable) -> Callable:
    """Flask 3.1 keeps the NotFound of matching `/socket.io/` in the request, and its traceback holds the
    frames of all callers: 60 objects and the session in a cycle per event, for the garbage collector alone.
    """

    @wraps(handler)
    def run(*args: object) -> object:
        error = flask.request.routing_exception
        if error is not None:
            error.__traceback__ = error.__context__ = error.__cause__ = None
        return handler(*args)

    return run
