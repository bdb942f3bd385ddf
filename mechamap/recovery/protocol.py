"""What the use cases ask of the sessions' keeper, with the guarantees every implementation keeps."""

from collections.abc import Collection, Mapping
from typing import Protocol

from mechamap.domain.history import Position
from mechamap.domain.recovery import Kept


class Live(Protocol):
    """A live connection as its worker holds it. No method waits or fails."""

    @property
    def pid(self) -> str: ...

    @property
    def sid(self) -> str: ...

    @property
    def proven(self) -> str | None:
        """The latest epoch of which it is certain that its client was on it; None: of none yet."""

    @property
    def position(self) -> Position:
        """Where it began, or up to where it has everything of its channels."""

    def kept(self) -> Kept:
        """A session that only this connection has."""

    def joins(self) -> Mapping[str, int]:
        """The channels as in ``kept``, each with the offset at which this connection joined it, in the
        epoch of ``position``."""


class Sessions(Protocol):
    """Sessions by pid, found from every worker. One whose connection ended without being ended on purpose is
    kept for the recovery window, also when its worker was killed.

    What several connections of one session do is put together as ``Kept`` says. What they have received is
    noticed within a quarter of the window.
    """

    def keep(self, live: Live, without: Collection[str] = ()) -> None:
        """Begin the session of a new connection, or give the session of this pid to one that returned;
        ``without`` are the channels it may not have any more. Returns when every worker would find it so.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """

    def joined(self, live: Live, name: str) -> None:
        """The connection joined a channel. Returns when every worker would find it so.

        Raises:
            BrokerUnavailable: that cannot be promised; whether the connection has the channel is looked at
                again within a quarter of the window.
        """

    def left(self, live: Live, name: str) -> None:
        """The connection left a channel. Otherwise like ``joined``."""

    def find(self, pid: str, epoch: str | None = None) -> Kept | None:
        """The session, live or waiting for its client, if it has all that it had at any time of this epoch;
        None: of its own.

        What Redis lost its workers write again, but one of them may have a connection that its client gave
        up before it joined some channels on the next. So a session that was lost is found again when the
        client of a connection that has it has answered since.

        Raises:
            BrokerUnavailable: it cannot be told.
        """

    def ended(self, live: Live, *, final: bool) -> None:
        """The connection is over; ``final`` also ends the session, if no newer connection has it. Never
        raises: a session that Redis could not be told about ends with its lease."""


class SessionsLink(Protocol):
    """The life of a keeper inside a worker."""

    def start(self) -> None:
        """Begin to keep the sessions of this worker's connections alive."""

    def stop(self) -> None:
        """Leave the sessions to their leases."""
