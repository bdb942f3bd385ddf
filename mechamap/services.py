"""What the composition root hands to the edges for people: the dashboard, the demo page, the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .auth.protocol import Authenticator
from .edge.limits import RateLimits
from .health import Check
from .hub.access import Judge
from .hub.operations import Operations
from .metrics import Metrics
from .settings import Settings
from .store.protocol import Directory

if TYPE_CHECKING:
    from .auth.jwt import JwtTokens
    from .auth.signin import Operator, SignIn
    from .engine import SocketIO
    from .runtime import Runtime
    from .store.audit import AuditRows
    from .store.keys import ApiKeys
    from .store.laravel.schema import LaravelSchema


@dataclass(frozen=True, slots=True)
class Services:
    """One application's parts, by what they are for."""

    settings: Settings
    socketio: "SocketIO"
    runtime: "Runtime"
    operations: Operations
    judge: Judge
    directory: Directory
    schema: "LaravelSchema"
    authenticator: Authenticator
    tokens: "JwtTokens"
    sign_in: "SignIn"
    operator_facts: Callable[[int], "Operator | None"]
    api_keys: "ApiKeys"
    audit: "AuditRows"
    limits: RateLimits
    metrics: Metrics
    checks: Callable[[], list[Check]]
