"""Options that both servers take beside the stock ones, and the stock ones they refuse or repair."""

import inspect
import logging
from collections.abc import Iterable
from dataclasses import fields

from .reasons import Limits

_REFUSED = {
    "always_connect": (False, "a client is admitted only after its connect handler agreed"),
    "monitor_clients": (True, "heartbeats are what frees dead peers"),
    "async_mode": ("gevent", "the engine runs on gevent"),
}


def refuse(options: dict, kind: str) -> None:
    """Take out the options that would take a guarantee away; ValueError for one that asks for it."""
    for name, (only, why) in _REFUSED.items():
        if options.pop(name, only) not in (only, None):
            raise ValueError(f"{kind} option {name} is not supported: {why}")


def check_names(options: dict, kind: str, stock: Iterable[type], own: Iterable[str]) -> None:
    """Stock drops an option it does not know, and with it the limit somebody thought to have set."""
    known = {*own, *(field.name for field in fields(Limits))}
    for base in stock:
        known.update(inspect.signature(base).parameters)
    if unknown := sorted(set(options) - known):
        raise ValueError(f"{kind} has no option {unknown[0]}")


def take_limits(options: dict) -> Limits:
    """The limits among the options; ping times stay, because python-engineio wants them too."""
    interval = options.get("ping_interval", 25)
    own = [field.name for field in fields(Limits) if not field.name.startswith("ping_")]
    return Limits(
        ping_interval=interval[0] if isinstance(interval, tuple) else interval,
        ping_timeout=options.get("ping_timeout", 20),
        **{name: options.pop(name) for name in own if name in options},
    )


def logger_of(option: bool | logging.Logger, name: str) -> logging.Logger:
    """A logger of the engine's own; stock attaches a handler to a global logger and sets its level."""
    if not isinstance(option, bool):
        return option
    logger = logging.getLogger(f"{__package__}.{name}")
    logger.setLevel(logging.INFO if option else logging.ERROR)
    return logger
