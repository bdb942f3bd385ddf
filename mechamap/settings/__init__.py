"""Typed, frozen settings: the only reader of the environment. A wrong value stops the start with one sentence
that names the variable.

Values are read in ``loading``, those with rules of their own in ``values``; ``contradictions`` are refused.
"""

from ..domain.credentials import ChannelAuth
from ..environment import SettingsError
from .contradictions import MIN_SECRET_LENGTH, PLACEHOLDERS
from .development import DEV_SECRETS_FILE
from .loading import PLAN_ORIGINS, ROOT, load
from .settings import AppEnv, SanctumMode, Settings
from .values import LOOPBACK

__all__ = [
    "DEV_SECRETS_FILE",
    "LOOPBACK",
    "MIN_SECRET_LENGTH",
    "PLACEHOLDERS",
    "PLAN_ORIGINS",
    "ROOT",
    "AppEnv",
    "ChannelAuth",
    "SanctumMode",
    "Settings",
    "SettingsError",
    "load",
]
