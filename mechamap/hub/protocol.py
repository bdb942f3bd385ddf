"""What the use cases need from the transport, the meters, and others that are made elsewhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.group_messages import GroupMessage
from mechamap.domain.identity import Identity
from mechamap.domain.members import Announcement
from mechamap.domain.publication import Publication


@dataclass(frozen=True, slots=True)
class Link:
    """One transport connection of this worker, as the transport sees it."""

    sid: str
    transport: str


@dataclass(frozen=True, slots=True)
class Buffered:
    """What waits for one connection, beside what the kernel holds."""

    transport: str
    bytes: int
    packets: int


class Buffers(Protocol):
    """The transport's queues, for people."""

    def buffered(self, sid: str) -> Buffered | None:
        """Of a local connection; None if there is none of this id."""


class Transport(Protocol):
    """The browsers connected to this worker. No method waits for a browser."""

    def deliver(self, publication: Publication, having: Collection[str] = ()) -> int:
        """Send the event to the union of its rooms' local members, but its sender and those ``having`` it
        already; how many it was queued for. A member gets it once, and once more for each room that it joined
        as ``spelled``. Does not yield."""

    def replay(self, sid: str, publication: Publication, copies: Sequence[str | None] = (None,)) -> None:
        """Send the event to one local connection, just as ``deliver`` would have: a copy for each of its
        spellings among the event's rooms, None being without. Does not yield."""

    def join(self, sid: str, room: str, spelled: str | None = None) -> None:
        """From now on the room's events come to the connection; with ``spelled`` in Echo's dialect, under
        that name. It is in the room in one way at a time."""

    def leave(self, sid: str, room: str, spelled: str | None = None) -> None:
        """Undo a ``join``. Connections that end leave what they joined as ``spelled``; the rest ends with
        them."""

    def send(self, sid: str, event: str, *args: object) -> None:
        """To one local connection; unknown ids are ignored."""

    def close(self, sid: str, reason: str) -> None:
        """End a connection for good: session, socket and buffers."""


class ChannelAuthorizer(Protocol):
    """Whoever decides on channels in our rules' stead. Asking may wait; it blocks nobody but who asks."""

    def concerns(self, identity: Identity, channel: Channel) -> bool:
        """Whether it decides on this channel for this person, and not our rules."""

    def authorize(self, identity: Identity, channel: Channel, credentials: Credentials | None) -> Decision:
        """May it be joined? Without credentials: no.

        Raises:
            Unavailable: there is no verdict now; the code begins ``auth_``.
        """

    def renew(
        self, identity: Identity, channels: Sequence[Channel], credentials: Credentials | None
    ) -> list[Decision]:
        """Which of its channels may a client that returns have back? They are asked about together.

        Raises:
            Unavailable: likewise.
        """

    def keep(self) -> Decision:
        """The verdict on what a live connection has: it is not asked again about that."""


class Links(Protocol):
    """The transport's own list of connections, to measure the registry against."""

    def links(self) -> list[Link]: ...


class Observer(Protocol):
    """Who is told, on the site's behalf, what people do here."""

    def announced(self, announcements: Sequence[Announcement]) -> int:
        """Members changed, and their channels were told. How many of the first need no more telling; the
        rest is told again, under the same ids. Never raises."""

    def whispered(self, whisper: Publication, channel: Channel, user_id: int) -> None:
        """A browser whispered in a channel, as it spells that. Never raises."""


class Pings(Protocol):
    """Whether a browser is there. Neither method waits; unknown ids do not answer."""

    def ping(self, sid: str) -> None:
        """Ask it now."""

    def answers(self, sid: str) -> bool:
        """Whether it has answered whenever it was asked."""


class Meter(Protocol):
    """Counts what happened, under the codes that logs, clients and dashboard use."""

    def connection(self, code: str) -> None:
        """A connection attempt ended: ``accepted`` or the code of its refusal."""

    def recovery(self, outcome: str) -> None:
        """A client returned to its session: ``recovered``, or why it was not."""

    def disconnection(self, code: str) -> None: ...

    def received(self, event: str) -> None:
        """A browser sent an event; names the server does not know are all ``unknown``."""

    def subscription(self, kind: str, code: str) -> None:
        """A subscription was judged: ``allowed`` or the code of its refusal."""

    def publication(self, code: str, count: int = 1) -> None:
        """So many publications were ``accepted``, or refused."""

    def delivery(self, connections: int, seconds: float) -> None:
        """A publication was queued for so many local connections, so long after its acceptance."""

    def gap(self, reason: str, channels: int) -> None:
        """Events of so many channels may have been missed while the worker's broker link was down."""


class Typists(Protocol):
    """In which pages a person types, over all workers. A page's word holds for some seconds."""

    def began(self, place: str, user_id: int, page: str) -> None:
        """The person types there in this page, or still does.

        Raises:
            BrokerUnavailable
        """

    def ended(self, place: str, user_id: int, page: str) -> bool:
        """The person does not type there in this page any more; whether in no other page either.

        Raises:
            BrokerUnavailable
        """


class GroupMessages(Protocol):
    """Whoever stores the messages of groups."""

    def store(self, group_id: int, user_id: int, message: GroupMessage) -> int | str | None:
        """The stored message's id; None where it is not told. Waits for who stores it.

        Raises:
            NotStored: it is not stored, or that cannot be told.
        """
