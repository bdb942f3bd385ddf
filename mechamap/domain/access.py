"""Who may join what: a pure function of (person, channel, facts).

``facts_needed`` says what to look up, the caller fetches it, ``decide`` judges. A fact that could not be had
refuses. No role opens a private conversation, another user's channel or another user's shop.
"""

from dataclasses import dataclass

from .channels import Channel
from .facts import Facts
from .grammar import ChannelKind
from .identity import Identity
from .roles import Level
from .rules import (
    RULES,
    Policy,
    guest_obstacle,
    judge_conversation,
    judge_forum,
    judge_group,
    judge_level,
    judge_owner,
    judge_showcase,
    thread_obstacle,
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict that explains itself: ``rule`` is the printable row, ``reason`` one sentence, ``code``
    stable."""

    allowed: bool
    rule: str
    reason: str
    code: str


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
    if identity.guest and (obstacle := guest_obstacle(channel)) is not None:
        return verdict(False, *obstacle)
    role = facts.user.role if facts.user is not None else identity.role
    level = policy.ladder.level(role)

    match channel.kind:
        case ChannelKind.PUBLIC | ChannelKind.PRODUCT:
            return verdict(True, "allowed", "Public channels are open to everyone signed in.")
        case ChannelKind.USER | ChannelKind.ORDERS:
            return verdict(*judge_owner(channel.target, identity))
        case ChannelKind.ADMIN:
            return verdict(*judge_level(level, role, Level.ADMIN))
        case ChannelKind.MODERATOR:
            return verdict(*judge_level(level, role, Level.MODERATOR))
        case ChannelKind.FORUM:
            return verdict(*judge_forum(facts.forum, level, role, policy))
        case ChannelKind.THREAD:
            hidden = thread_obstacle(facts.thread, identity, level)
            if hidden is not None:
                return verdict(False, *hidden)
            return verdict(*judge_forum(facts.forum, level, role, policy))
        case ChannelKind.CONVERSATION:
            return verdict(*judge_conversation(facts.conversation, facts.membership))
        case ChannelKind.GROUP:
            return verdict(*judge_group(facts.conversation, facts.membership))
        case ChannelKind.SHOWCASE:
            return verdict(*judge_showcase(facts.showcase, identity))
        case ChannelKind.SELLER:
            if facts.seller is None:
                return verdict(False, "seller_not_found", "The seller does not exist.")
            return verdict(*judge_owner(facts.seller.owner_id, identity))
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
