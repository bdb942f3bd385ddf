"""Why a session ended, and what one session may cost."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a session ended: what disconnect handlers are told. The first five are Engine.IO's own words."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PARSE_ERROR = "parse error"
    SLOW_CONSUMER = "slow_consumer"
    CONNECT_TIMEOUT = "connect_timeout"
    DRAIN = "drain"
    TRY_LATER = "try_later"


# The client is gone or cannot be talked to: what is queued for it is worthless.
UNREACHABLE = frozenset(
    (Reason.CLIENT_DISCONNECT, Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR, Reason.SLOW_CONSUMER)
)
# The client ended the session itself: what it sent before is still handled.
ITS_OWN_WISH = frozenset((Reason.CLIENT_DISCONNECT, Reason.TRANSPORT_CLOSE))


class Postponed(Exception):
    """Raised by a connect handler that cannot decide now: the transport ends without a refusal, and the stock
    client tries again by itself, which it never does after a CONNECT_ERROR.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may cost. Times are seconds."""

    ping_interval: float
    ping_timeout: float
    connect_timeout: float = 10.0  # to be accepted into a namespace
    max_queue_bytes: int = 1_048_576  # that may wait for one client
    max_queue_packets: int = 10_000
    max_pending_events: int = 64  # events read but not yet handled; above it the client is not read any more
    close_timeout: float = 1.0  # for a farewell to reach the client before the connection is cut
    handler_grace: float = 2.0  # for running event handlers before the disconnect handler runs beside them
    upgrade_timeout: float = 10.0  # between the start of an upgrade and its end

    @property
    def stall_timeout(self) -> float:
        """How long a peer may take nothing of what is written to it.

        A living peer answers a ping and reads within interval and timeout; the margin leaves the verdict to
        the ping, whose reason is the honest one.
        """
        return self.ping_interval + self.ping_timeout + self.close_timeout
