"""MechaMap's real-time server. ``create_app`` is the one place where its parts are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from .settings import Settings

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """The whole application. Reads the environment when no settings are given; starts nothing
    (``Runtime.start`` does).

    The imports are inside because gunicorn.conf.py imports settings and logs of this package before gevent
    has patched the standard library; ``redis`` and ``ssl`` must not be imported by then.
    """
    from .composition import compose
    from .settings import load

    return compose(settings or load())
