"""Who may join what: a pure function of (person, channel, facts), and the table of it that a person can
print.

``facts_needed`` says what to look up, the caller fetches it, ``decide`` judges. A fact that could not be had
refuses. No role opens a private conversation, another user's channel or another user's shop.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from .channels import GRAMMAR, Channel, ChannelKind, Spelling
from .identity import Identity, UserFacts
from .roles import Ladder, Level


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


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator may configure about the rules."""

    ladder: Ladder = field(default_factory=Ladder)
    private_forum_level: Level = Level.MODERATOR
    site_channels: bool = False
    """Whether names outside our grammar exist: those without ``private-`` or ``presence-`` are open to
    everyone signed in, the others are Laravel's to decide."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict that explains itself: ``rule`` is the printable row, ``reason`` one sentence, ``code``
    stable."""

    allowed: bool
    rule: str
    reason: str
    code: str


RULES: dict[ChannelKind, str] = {
    ChannelKind.PUBLIC: "anyone signed in",
    ChannelKind.USER: "that user only",
    ChannelKind.THREAD: (
        "the thread exists; not deleted, hidden, spam or unapproved (its author and moderators excepted); "
        "then the rule of its forum"
    ),
    ChannelKind.FORUM: (
        "the forum exists; role at least its required role (none set: anyone signed in); "
        "private forums: moderators"
    ),
    ChannelKind.CONVERSATION: "its participants; of a group, its active members (moderators too need to be)",
    ChannelKind.GROUP: "active members of the group (moderators too need to be)",
    ChannelKind.SHOWCASE: "anyone signed in if it is public and approved or featured; its owner",
    ChannelKind.PRODUCT: "anyone signed in",
    ChannelKind.ORDERS: "that user only",
    ChannelKind.SELLER: "the user whose shop it is",
    ChannelKind.ROLE: "nobody: private notifications would reach everybody of that role",
    ChannelKind.ADMIN: "admin level",
    ChannelKind.MODERATOR: "moderator level",
    ChannelKind.SYSTEM: "nobody: it is for servers",
    ChannelKind.SITE: "Laravel decides; anyone signed in without private- or presence-",
}


def table() -> list[dict[str, object]]:
    """The rules as rows for people: first spelling, all spellings, kind, who may join."""
    names: dict[str, list[Spelling]] = {}
    for row in GRAMMAR:
        names.setdefault(row.canonical, []).append(row)
    return [
        {
            "channel": rows[0].shown,
            "names": [row.shown for row in rows],
            "kind": rows[0].kind.value,
            "may join": RULES[rows[0].kind],
        }
        for rows in names.values()
    ]


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


def decide(identity: Identity, channel: Channel, facts: Facts, policy: Policy) -> Decision:
    """May this person join this channel?"""
    rule = RULES[channel.kind]

    def verdict(allowed: bool, code: str, reason: str) -> Decision:
        return Decision(allowed, rule, reason, code)

    if facts.user is not None:
        if facts.user.banned:
            return verdict(False, "user_banned", "The user is banned.")
        if not facts.user.active:
            return verdict(False, "user_inactive", "The user is not active.")
    if identity.guest and (obstacle := _guest_obstacle(channel)) is not None:
        return verdict(False, *obstacle)
    role = facts.user.role if facts.user is not None else identity.role
    level = policy.ladder.level(role)

    match channel.kind:
        case ChannelKind.PUBLIC | ChannelKind.PRODUCT:
            return verdict(True, "allowed", "Public channels are open to everyone signed in.")
        case ChannelKind.USER | ChannelKind.ORDERS:
            return verdict(*_owner(channel.target, identity))
        case ChannelKind.ADMIN:
            return verdict(*_at_least(level, role, Level.ADMIN))
        case ChannelKind.MODERATOR:
            return verdict(*_at_least(level, role, Level.MODERATOR))
        case ChannelKind.FORUM:
            return verdict(*_forum(facts.forum, level, role, policy))
        case ChannelKind.THREAD:
            hidden = _thread_obstacle(facts.thread, identity, level)
            if hidden is not None:
                return verdict(False, *hidden)
            return verdict(*_forum(facts.forum, level, role, policy))
        case ChannelKind.CONVERSATION:
            return verdict(*_conversation(facts.conversation, facts.membership))
        case ChannelKind.GROUP:
            return verdict(*_group(facts.conversation, facts.membership))
        case ChannelKind.SHOWCASE:
            return verdict(*_showcase(facts.showcase, identity))
        case ChannelKind.SELLER:
            if facts.seller is None:
                return verdict(False, "seller_not_found", "The seller does not exist.")
            return verdict(*_owner(facts.seller.owner_id, identity))
        case ChannelKind.ROLE:
            return verdict(False, "role_channel_closed", "Nobody may join the channel of a role.")
        case ChannelKind.SYSTEM:
            return verdict(False, "server_only", "The channel is for servers only.")
        case ChannelKind.SITE:
            if not policy.site_channels:
                return verdict(False, "channel_unknown", "No channel has this name.")
            if not channel.guarded:
                return verdict(True, "allowed", "Public channels are open to everyone signed in.")
            if facts.site is None:
                return verdict(False, "authorizer_missing", "Laravel decides, and cannot be asked here.")
            return facts.site
    return verdict(False, "no_rule", "No rule covers this kind of channel.")


def _guest_obstacle(channel: Channel) -> tuple[str, str] | None:
    """Why a guest may not join, or None: the rule, or Laravel, decides."""
    if channel.presence:  # all guests would be one member
        return "guest_presence", "Only people who are signed in are members of a channel."
    if channel.kind not in (ChannelKind.PUBLIC, ChannelKind.SITE):
        return "sign_in_required", "The channel is for people who are signed in."
    return None


def _owner(owner_id: int | None, identity: Identity) -> tuple[bool, str, str]:
    if owner_id == identity.user_id:
        return True, "allowed", "The channel is the user's own."
    return False, "not_owner", "The channel belongs to another user."


def _conversation(
    conversation: ConversationFacts | None, membership: MembershipFacts | None
) -> tuple[bool, str, str]:
    if conversation is None:
        return False, "conversation_not_found", "The conversation does not exist."
    if conversation.group or (membership is not None and membership.group_member):
        # who left a group may still be named among the participants
        return _group(conversation, membership)
    if membership is not None and membership.participant:
        return True, "allowed", "The user takes part in the conversation."
    return False, "not_a_participant", "The user takes no part in the conversation."


def _group(
    conversation: ConversationFacts | None, membership: MembershipFacts | None
) -> tuple[bool, str, str]:
    if conversation is None:
        return False, "group_not_found", "The group does not exist."
    if membership is not None and membership.group_member:
        return True, "allowed", "The user is an active member of the group."
    return False, "not_a_group_member", "The user is no active member of the group."


def _showcase(showcase: ShowcaseFacts | None, identity: Identity) -> tuple[bool, str, str]:
    if showcase is None:
        return False, "showcase_not_found", "The showcase does not exist."
    if showcase.owner_id == identity.user_id:
        return True, "allowed", "The showcase is the user's own."
    if not showcase.approved:
        return False, "showcase_unapproved", "The showcase is not approved."
    if not showcase.public:
        return False, "showcase_private", "The showcase is not public."
    return True, "allowed", "The showcase is open to everyone signed in."


def _at_least(level: Level | None, role: str | None, needed: Level) -> tuple[bool, str, str]:
    if level is None:
        return False, "role_unknown", f"The role {role!r} has no place on the ladder."
    if level < needed:
        return False, "role_too_low", f"The role is {level.label}; {needed.label} is needed."
    return True, "allowed", f"The role is {level.label}, at least {needed.label}."


def _forum(
    forum: ForumFacts | None, level: Level | None, role: str | None, policy: Policy
) -> tuple[bool, str, str]:
    if forum is None:
        return False, "forum_not_found", "The forum does not exist."
    if forum.private:
        allowed, code, reason = _at_least(level, role, policy.private_forum_level)
        if not allowed:
            return False, code, f"The forum is private. {reason}"
    if not forum.required_role:
        return True, "allowed", "The forum asks for no role."
    needed = policy.ladder.level(forum.required_role)
    if needed is None:
        return (
            False,
            "forum_role_unknown",
            f"The forum requires {forum.required_role!r}, which has no place on the ladder.",
        )
    return _at_least(level, role, needed)


def _thread_obstacle(
    thread: ThreadFacts | None, identity: Identity, level: Level | None
) -> tuple[str, str] | None:
    """Why the thread itself cannot be seen, or None."""
    if thread is None:
        return "thread_not_found", "The thread does not exist."
    if thread.author_id == identity.user_id or (level is not None and level >= Level.MODERATOR):
        return None
    if thread.deleted:
        return "thread_deleted", "The thread was deleted."
    if thread.hidden:
        return "thread_hidden", "The thread is hidden."
    if thread.spam:
        return "thread_spam", "The thread is marked as spam."
    if not thread.approved:
        return "thread_unapproved", "The thread is not approved."
    return None
