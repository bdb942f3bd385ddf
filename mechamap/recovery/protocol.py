"""What the use cases ask of the sessions' keeper, with the guarantees every implementation keeps."""

from typing import Protocol

from mechamap.domain.recovery import Kept


class Live(Protocol):
    """A live connection as its worker holds it; ``kept`` tells what it is now."""

    @property
    def pid(self) -> str: ...

    @property
    def sid(self) -> str: ...

    def kept(self) -> Kept:
        """Neither waits nor fails."""


class Sessions(Protocol):
    """Sessions by pid, found from every worker. One whose connection ended without being ended on purpose is
    kept for the recovery window, also when its worker was killed."""

    def keep(self, live: Live) -> None:
        """Keep the session of a live connection, or tell that its channels changed; the connection owns the
        session from now on. Whatever else changes is noticed within a quarter of the window. Returns when
        every worker would find it so.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """

    def find(self, pid: str) -> Kept | None:
        """The session, live or waiting for its client.

        Raises:
            BrokerUnavailable: it cannot be told.
        """

    def ended(self, live: Live, *, final: bool) -> None:
        """The connection is over; ``final`` also ends the session, if the connection still owns it. Never
        raises: a session that Redis could not be told about ends with its lease."""


class SessionsLink(Protocol):
    """The life of a keeper inside a worker."""

    def start(self) -> None:
        """Begin to keep the sessions of this worker's connections alive."""

    def stop(self) -> None:
        """Leave the sessions to their leases."""
