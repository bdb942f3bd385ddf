"""Apps: sites that publish, sign and are told of what happens as Pusher's do, each with keys of its own."""

import re
from dataclasses import dataclass

from .pusher_signature import AppKey

APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}", re.ASCII)
APP_KEY = re.compile(r"[A-Za-z0-9_\-]{1,128}", re.ASCII)
MIN_SECRET = 16
MAX_SECRET = 256
"""Characters. Pusher and Reverb make secrets of 20."""
MAX_APP_KEYS = 4
"""Keys of one app at a time; two are enough to change one."""


@dataclass(frozen=True, slots=True)
class App:
    """One site.

    Attributes:
        id: as in the paths of its calls.
        keys: newest first; none is readable if they were encrypted under another SECRET_KEY.
        enabled: whether its calls are carried out.
        legacy: whether it may publish as to laravel-echo-server, with its secret instead of a signature.
    """

    id: str
    keys: tuple[AppKey, ...]
    enabled: bool = True
    legacy: bool = False

    @property
    def origin(self) -> str:
        """Who publishes, for logs, limits and metrics."""
        return f"app:{self.id}"


def secret_problem(secret: str) -> str | None:
    """What is wrong with a secret that somebody chose, or None."""
    if not MIN_SECRET <= len(secret) <= MAX_SECRET:
        return f"has {len(secret)} characters; {MIN_SECRET} to {MAX_SECRET} are needed"
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return "must be printable ASCII without blanks"
    return None
