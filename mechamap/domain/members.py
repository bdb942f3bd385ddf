"""Members of presence channels: who they are, pages of them, and what is announced of them."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from .channels import known_channel
from .history import Position
from .payloads import payload_of
from .publication import Publication, new_id

MAX_NAME_LENGTH = 255
"""Characters, as ``users.name`` has them; a token may claim any."""
MAX_PAGE = 1000
"""Members in one page."""


class Change(StrEnum):
    """What happened to a member, as the event is called."""

    JOINING = "presence:joining"
    LEAVING = "presence:leaving"


EVENTS = frozenset(Change)


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a presence channel, however many connections they have there."""

    user_id: int
    name: str | None = None

    def shown(self) -> dict[str, object]:
        """As browsers and publishers see them; Laravel Echo hands on ``user_info``."""
        return {"user_id": self.user_id, "user_info": {"id": self.user_id, "name": self.name}}


def member_of(user_id: int, name: str | None) -> Member:
    """The member with a name that can be written: bounded, half surrogate pairs as question marks."""
    if name is not None:
        name = name[:MAX_NAME_LENGTH].encode(errors="replace").decode()
    return Member(user_id, name)


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some members of a channel, by ascending id.

    Attributes:
        total: how many the channel has.
        after: the id to ask on from; None at the end.
    """

    members: tuple[Member, ...]
    total: int
    after: int | None = None

    def shown(self) -> dict[str, object]:
        """As browsers and publishers see it."""
        members = [member.shown() for member in self.members]
        return {"members": members, "total": self.total, "after": self.after}


@dataclass(frozen=True, slots=True)
class Serial:
    """Which announcement it is. Numbers grow in the order of the decisions, over all channels; those of
    different epochs cannot be compared."""

    epoch: str
    number: int

    def id(self) -> str:
        """The id of its publication."""
        return f"members.{self.epoch}.{self.number}"

    def had_by(self, other: "Serial | None") -> bool:
        """Whether who has everything up to the other one has this one."""
        return other is not None and other.epoch == self.epoch and other.number >= self.number


_ID = re.compile(r"members\.([A-Za-z0-9_-]{1,32})\.([0-9]{1,15})", re.ASCII)


def serial_of(id: str) -> Serial | None:
    """The announcement whose publication has this id; None if it is of something else."""
    found = _ID.fullmatch(id)
    return Serial(found[1], int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a page of members knows of: everything that was announced of the channel up to ``last``.

    Attributes:
        last: the channel's last announcement; None if there was none.
        queued: it was not known to be published.
        newest: the place of the channel's last publication then; None without any, or where whoever
            publishes delivers as well.
    """

    last: Serial | None = None
    queued: bool = False
    newest: Position | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Members as they were read, and which announcements that was after."""

    page: MemberPage
    as_of: AsOf = AsOf()


@dataclass(frozen=True, slots=True)
class Joined:
    """What a connection that joined is told.

    Attributes:
        first: whether it made its user a member, which is announced.
        listed: the first members.
    """

    first: bool
    listed: Listed

    @property
    def page(self) -> MemberPage:
        return self.listed.page


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that the channel's subscribers are to hear of.

    Attributes:
        channel: canonical.
        except_id: the connection that caused it, which has the list instead.
        id: the publication's, the same however often it is tried; a ``Serial``'s.
    """

    change: Change
    channel: str
    member: Member
    except_id: str | None = None
    id: str = field(default_factory=new_id)

    def publication(self) -> Publication:
        """The event. Its payload is the list of its arguments: the channel and the member."""
        channel = known_channel(self.channel)
        payload = payload_of([channel.name, self.member.shown()])
        return Publication((channel,), self.change.value, payload, self.except_id, id=self.id)
