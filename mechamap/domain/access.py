"""Who may join what: a pure function of (person, channel, facts), and the table of it that a person can
print.

``facts_needed`` says what to look up, the caller fetches it, ``decide`` judges. A fact that could not be had
refuses.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from .channels import GRAMMAR, Channel, ChannelKind
from .identity import Identity, UserFacts
from .roles import Ladder, Level


class Fact(StrEnum):
    """What a rule may need to know besides the person's identity."""

    USER = "user"
    THREAD = "thread"
    FORUM = "forum"


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
class Facts:
    """What was found. None means that the row does not exist (or that the channel needs no such row)."""

    user: UserFacts | None = None
    thread: ThreadFacts | None = None
    forum: ForumFacts | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator may configure about the rules."""

    ladder: Ladder = field(default_factory=Ladder)
    private_forum_level: Level = Level.MODERATOR


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
    ChannelKind.ADMIN: "admin level",
    ChannelKind.MODERATOR: "moderator level",
}


def table() -> list[dict[str, str]]:
    """The rules as rows for people: spelling, kind, who may join."""
    return [
        {"channel": spelling, "kind": kind.value, "may join": RULES[kind]} for spelling, kind, _ in GRAMMAR
    ]


def facts_needed(channel: Channel) -> frozenset[Fact]:
    """What ``decide`` needs for this channel. A thread's forum is known only once the thread is."""
    match channel.kind:
        case ChannelKind.THREAD:
            return frozenset({Fact.USER, Fact.THREAD, Fact.FORUM})
        case ChannelKind.FORUM:
            return frozenset({Fact.USER, Fact.FORUM})
        case _:
            return frozenset({Fact.USER})


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
    role = facts.user.role if facts.user is not None else identity.role
    level = policy.ladder.level(role)

    match channel.kind:
        case ChannelKind.PUBLIC:
            return verdict(True, "allowed", "Public channels are open to everyone signed in.")
        case ChannelKind.USER:
            if channel.target == identity.user_id:
                return verdict(True, "allowed", "The channel is the user's own.")
            return verdict(False, "not_owner", "The channel belongs to another user.")
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
    return verdict(False, "no_rule", "No rule covers this kind of channel.")


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
