"""What a rule may need to know besides the person's identity, and which of it a channel needs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .channels import Channel
from .grammar import ChannelKind
from .identity import UserFacts

if TYPE_CHECKING:
    from .access import Decision


class Fact(StrEnum):
    """What a rule may need to know besides the person's identity; named like the fields of ``Facts``."""

    THREAD = "thread"
    FORUM = "forum"
    CONVERSATION = "conversation"
    MEMBERSHIP = "membership"
    SHOWCASE = "showcase"
    SELLER = "seller"


Place = tuple[Fact, int | tuple[int, int]]
"""Which row: a fact and its id; for a membership the ids of conversation and user."""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """One thread. Columns that a schema lacks keep their defaults, which restrict nothing."""

    thread_id: int
    forum_id: int | None
    author_id: int | None = None
    deleted: bool = False
    hidden: bool = False
    spam: bool = False
    approved: bool = True


@dataclass(frozen=True, slots=True)
class ForumFacts:
    """One forum. ``required_role`` None: everyone signed in."""

    forum_id: int
    required_role: str | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """One conversation. Whose it is stands in two tables: a group's in ``group_members`` alone, as in the
    application's ``Conversation::hasMember``."""

    conversation_id: int
    group: bool = False


@dataclass(frozen=True, slots=True)
class MembershipFacts:
    """One user's part in one conversation: named among its participants, active member of its group."""

    conversation_id: int
    user_id: int
    participant: bool = False
    group_member: bool = False


@dataclass(frozen=True, slots=True)
class ShowcaseFacts:
    """One showcase. Columns that a schema lacks keep their defaults, which restrict nothing."""

    showcase_id: int
    owner_id: int | None = None
    approved: bool = True
    public: bool = True


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """One seller of the marketplace, whose id is not that of its user."""

    seller_id: int
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. None means that the row does not exist (or that the channel needs no such row).

    Attributes:
        site: what Laravel itself decided about a channel that only it knows; None: it was not asked.
    """

    user: UserFacts | None = None
    thread: ThreadFacts | None = None
    forum: ForumFacts | None = None
    conversation: ConversationFacts | None = None
    membership: MembershipFacts | None = None
    showcase: ShowcaseFacts | None = None
    seller: SellerFacts | None = None
    site: "Decision | None" = None


def facts_needed(channel: Channel, user_id: int) -> tuple[Place, ...]:
    """What ``decide`` needs besides the user. A thread's forum is known only once the thread is
    (``forum_of``)."""
    target = channel.target
    if target is None:
        return ()
    match channel.kind:
        case ChannelKind.THREAD:
            return ((Fact.THREAD, target),)
        case ChannelKind.FORUM:
            return ((Fact.FORUM, target),)
        case ChannelKind.CONVERSATION | ChannelKind.GROUP:
            return ((Fact.CONVERSATION, target), (Fact.MEMBERSHIP, (target, user_id)))
        case ChannelKind.SHOWCASE:
            return ((Fact.SHOWCASE, target),)
        case ChannelKind.SELLER:
            return ((Fact.SELLER, target),)
    return ()


def forum_of(thread: ThreadFacts | None) -> tuple[Place, ...]:
    """What a thread needs in turn."""
    return ((Fact.FORUM, thread.forum_id),) if thread is not None and thread.forum_id is not None else ()
