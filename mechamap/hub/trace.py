"""The question to a worker what became of one event at one user's connections, and its answer."""

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of an event at one connection, the best first."""

    RECEIVED = "received"
    """The client answered a heartbeat that went out behind it."""
    WRITTEN = "written"
    """The kernel took all that was for the connection; nothing says yet that the client has it."""
    QUEUED = "queued"
    """Something still waits for the connection, and it may be among that."""
    UNPROVEN = "unproven"
    """It was written or waited when the connection ended."""
    DROPPED = "dropped"
    """The connection was closed with what waited for it, because the client did not keep up."""
    NOT_HEARD = "not_heard"
    """The worker has not had it from the broker yet."""
    EXCLUDED = "excluded"
    """The connection sent it, or its publisher left the connection out."""
    NOT_SUBSCRIBED = "not_subscribed"
    CAME_LATER = "came_later"
    """It connected behind the event and was not owed it."""
    HAD_ENDED = "had_ended"
    """It ended before the event came."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """Which event, and whose connections: the question to a worker."""

    user_id: int
    rooms: tuple[str, ...]
    epoch: str
    offset: int
    accepted_at: float
    except_id: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer about one connection. Times are Unix seconds.

    Attributes:
        connected_at: None if it connected before what the worker remembers.
        channel: canonical; the one through which it came, or would have.
        replayed: whether it came as something missed, not as it was published.
        code: of a refusal, a leaving or an end that explains the outcome.
        frames, bytes: what waits for a live connection now.
    """

    sid: str
    outcome: Outcome
    reason: str
    channel: str = ""
    replayed: bool = False
    code: str = ""
    connected_at: float | None = None
    ended_at: float | None = None
    transport: str = ""
    frames: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Traced:
    """The answer of one worker.

    Attributes:
        remembers_since: what happened before may have been forgotten.
        heard: of the event's channels with subscribers here now, whether the worker had the event.
    """

    remembers_since: float
    heard: dict[str, bool] = field(default_factory=dict)
    connections: list[Trace] = field(default_factory=list)
