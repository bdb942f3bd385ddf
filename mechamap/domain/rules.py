"""The rule of each kind of place: as one line that a person can print, and as the judgement of its facts.

A judgement is whether the person may join, a code and one sentence; an obstacle is the latter two, or None.
"""

from dataclasses import dataclass, field

from .channels import Channel
from .facts import ConversationFacts, ForumFacts, MembershipFacts, ShowcaseFacts, ThreadFacts
from .grammar import GRAMMAR, ChannelKind, Spelling
from .identity import Identity
from .roles import Ladder, Level


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator may configure about the rules."""

    ladder: Ladder = field(default_factory=Ladder)
    private_forum_level: Level = Level.MODERATOR
    site_channels: bool = False
    """Whether names outside our grammar exist: those without ``private-`` or ``presence-`` are open to
    everyone signed in, the others are Laravel's to decide."""


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


def guest_obstacle(channel: Channel) -> tuple[str, str] | None:
    """Why a guest may not join, or None: the rule, or Laravel, decides."""
    if channel.presence:  # all guests would be one member
        return "guest_presence", "Only people who are signed in are members of a channel."
    if channel.kind not in (ChannelKind.PUBLIC, ChannelKind.SITE):
        return "sign_in_required", "The channel is for people who are signed in."
    return None


def judge_owner(owner_id: int | None, identity: Identity) -> tuple[bool, str, str]:
    if owner_id == identity.user_id:
        return True, "allowed", "The channel is the user's own."
    return False, "not_owner", "The channel belongs to another user."


def judge_conversation(
    conversation: ConversationFacts | None, membership: MembershipFacts | None
) -> tuple[bool, str, str]:
    if conversation is None:
        return False, "conversation_not_found", "The conversation does not exist."
    if conversation.group or (membership is not None and membership.group_member):
        # who left a group may still be named among the participants
        return judge_group(conversation, membership)
    if membership is not None and membership.participant:
        return True, "allowed", "The user takes part in the conversation."
    return False, "not_a_participant", "The user takes no part in the conversation."


def judge_group(
    conversation: ConversationFacts | None, membership: MembershipFacts | None
) -> tuple[bool, str, str]:
    if conversation is None:
        return False, "group_not_found", "The group does not exist."
    if membership is not None and membership.group_member:
        return True, "allowed", "The user is an active member of the group."
    return False, "not_a_group_member", "The user is no active member of the group."


def judge_showcase(showcase: ShowcaseFacts | None, identity: Identity) -> tuple[bool, str, str]:
    if showcase is None:
        return False, "showcase_not_found", "The showcase does not exist."
    if showcase.owner_id == identity.user_id:
        return True, "allowed", "The showcase is the user's own."
    if not showcase.approved:
        return False, "showcase_unapproved", "The showcase is not approved."
    if not showcase.public:
        return False, "showcase_private", "The showcase is not public."
    return True, "allowed", "The showcase is open to everyone signed in."


def judge_level(level: Level | None, role: str | None, needed: Level) -> tuple[bool, str, str]:
    if level is None:
        return False, "role_unknown", f"The role {role!r} has no place on the ladder."
    if level < needed:
        return False, "role_too_low", f"The role is {level.label}; {needed.label} is needed."
    return True, "allowed", f"The role is {level.label}, at least {needed.label}."


def judge_forum(
    forum: ForumFacts | None, level: Level | None, role: str | None, policy: Policy
) -> tuple[bool, str, str]:
    if forum is None:
        return False, "forum_not_found", "The forum does not exist."
    if forum.private:
        allowed, code, reason = judge_level(level, role, policy.private_forum_level)
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
    return judge_level(level, role, needed)


def thread_obstacle(
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
