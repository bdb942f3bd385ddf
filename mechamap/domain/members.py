"""Members of presence channels: who they are, pages of them, and what is announced of them."""

from dataclasses import dataclass, field
from enum import StrEnum

from .channels import known_channel
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
class Joined:
    """What a connection that joined is told.

    Attributes:
        first: whether it made its user a member, which is announced.
        page: the first members.
    """

    first: bool
    page: MemberPage


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that the channel's subscribers are to hear of.

    Attributes:
        channel: canonical.
        except_id: the connection that caused it, which has the list instead.
        id: the publication's, the same however often it is tried.
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
