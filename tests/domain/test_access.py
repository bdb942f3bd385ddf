"""Who may join what, as a table, and the laws that hold for every row of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.access import Decision, decide
from mechamap.domain.channels import parse_channel, parse_channel_of_site
from mechamap.domain.facts import (
    ConversationFacts,
    Fact,
    Facts,
    ForumFacts,
    MembershipFacts,
    SellerFacts,
    ShowcaseFacts,
    ThreadFacts,
    facts_needed,
    forum_of,
)
from mechamap.domain.grammar import GRAMMAR, ChannelKind
from mechamap.domain.identity import GUEST, Identity, TokenKind, UserFacts
from mechamap.domain.roles import DEFAULT_LEVELS, Ladder, Level
from mechamap.domain.rules import RULES, Policy, table

ROLES = tuple(DEFAULT_LEVELS)


def person(user_id: int = 7, role: str | None = "member") -> tuple[Identity, UserFacts]:
    return Identity(user_id, role, "Binh", TokenKind.JWT, None, "0" * 16), UserFacts(user_id, "Binh", role)


def judge(name: str, *, role: str | None = "member", policy: Policy | None = None, **found):
    identity, user = person(role=role)
    return decide(identity, parse_channel_of_site(name), Facts(user, **found), policy or Policy())


def _named(row):
    return parse_channel(row.shown.format(id=5, topic="x", role="member"))


OPEN = ForumFacts(1)
SENIORS = ForumFacts(2, "senior_member")


@pytest.mark.parametrize(
    ("name", "role", "code"),
    [
        ("public.news", "guest", "allowed"),
        ("public.news", "no-such-role", "allowed"),
        ("private-user.7", "guest", "allowed"),
        ("private-user.8", "super_admin", "not_owner"),
        ("user.7", "guest", "allowed"),
        ("user.8", "super_admin", "not_owner"),
        ("user.7.messages", "guest", "allowed"),
        ("user.8.messages", "super_admin", "not_owner"),
        ("user.7.orders", "member", "allowed"),
        ("user.8.orders", "admin", "not_owner"),
        ("following.7", "member", "allowed"),
        ("user.8.following", "moderator", "not_owner"),
        ("notifications", "guest", "allowed"),
        ("product.3", "guest", "allowed"),
        ("marketplace.global", "guest", "allowed"),
        ("marketplace.orders.7", "member", "allowed"),
        ("private-marketplace.orders.8", "marketplace_moderator", "not_owner"),
        ("notifications.role.member", "member", "role_channel_closed"),
        ("private-notifications.role.super_admin", "super_admin", "role_channel_closed"),
        ("system.restart", "super_admin", "server_only"),
        ("private-admin.metrics", "moderator", "role_too_low"),
        ("private-admin.metrics", "admin", "allowed"),
        ("admin.metrics", "moderator", "role_too_low"),
        ("admin.metrics", "admin", "allowed"),
        ("admin.metrics", "super_admin", "allowed"),
        ("admin.metrics", "system_admin", "allowed"),
        ("admin.metrics", "content_admin", "allowed"),
        ("admin.metrics", "no-such-role", "role_unknown"),
        ("moderator.queue", "member", "role_too_low"),
        ("moderator.queue", "content_moderator", "allowed"),
        ("moderator.queue", "marketplace_moderator", "allowed"),
        ("moderator.queue", "community_moderator", "allowed"),
        ("moderator.queue", None, "role_too_low"),
    ],
)
def test_rules_that_need_the_person_only(name, role, code):
    verdict = judge(name, role=role)
    assert verdict.code == code
    assert verdict.allowed is (code == "allowed")


@pytest.mark.parametrize(
    ("forum", "role", "code"),
    [
        (None, "super_admin", "forum_not_found"),
        (OPEN, "guest", "allowed"),
        (OPEN, "no-such-role", "allowed"),
        (ForumFacts(1, ""), "guest", "allowed"),
        (SENIORS, "member", "role_too_low"),
        (SENIORS, "senior", "allowed"),
        (SENIORS, "moderator", "allowed"),
        (SENIORS, "no-such-role", "role_unknown"),
        (ForumFacts(3, "wizard"), "super_admin", "forum_role_unknown"),
        (ForumFacts(4, None, private=True), "member", "role_too_low"),
        (ForumFacts(4, None, private=True), "community_moderator", "allowed"),
        (ForumFacts(4, "admin", private=True), "moderator", "role_too_low"),
    ],
)
def test_forum_rules(forum, role, code):
    assert judge("forum.1", role=role, forum=forum).code == code


@pytest.mark.parametrize(
    ("thread", "role", "code"),
    [
        (None, "super_admin", "thread_not_found"),
        (ThreadFacts(1, 1, author_id=9), "guest", "allowed"),
        (ThreadFacts(1, 1, author_id=9, deleted=True), "senior_member", "thread_deleted"),
        (ThreadFacts(1, 1, author_id=9, hidden=True), "member", "thread_hidden"),
        (ThreadFacts(1, 1, author_id=9, spam=True), "member", "thread_spam"),
        (ThreadFacts(1, 1, author_id=9, approved=False), "member", "thread_unapproved"),
        (ThreadFacts(1, 1, author_id=7, hidden=True, approved=False), "member", "allowed"),
        (ThreadFacts(1, 1, author_id=9, deleted=True, spam=True), "moderator", "allowed"),
    ],
)
def test_thread_rules(thread, role, code):
    assert judge("presence-thread.1", role=role, thread=thread, forum=OPEN).code == code


PRIVATE, GROUP = ConversationFacts(5), ConversationFacts(5, group=True)


@pytest.mark.parametrize(
    ("channel", "conversation", "part", "code"),
    [
        ("conversation.5", None, {"participant": True}, "conversation_not_found"),
        ("conversation.5", PRIVATE, None, "not_a_participant"),
        ("private-conversation.5", PRIVATE, {}, "not_a_participant"),
        ("conversation.5", PRIVATE, {"participant": True}, "allowed"),
        ("private-conversation.5", PRIVATE, {"group_member": True}, "allowed"),
        ("conversation.5", GROUP, {"group_member": True}, "allowed"),
        ("conversation.5", GROUP, {"participant": True}, "not_a_group_member"),  # has left
        ("conversation.5", GROUP, None, "not_a_group_member"),
        ("group.5", None, {"group_member": True}, "group_not_found"),
        ("group.5", GROUP, None, "not_a_group_member"),
        ("group.5", GROUP, {"participant": True}, "not_a_group_member"),
        ("private-group.5", GROUP, {"group_member": True}, "allowed"),
    ],
)
@pytest.mark.parametrize("role", ["guest", "member", "community_moderator", "super_admin"])
def test_a_conversation_is_for_those_who_take_part_in_it_whatever_their_role(
    channel, conversation, part, code, role
):
    membership = None if part is None else MembershipFacts(5, 7, **part)
    assert judge(channel, role=role, conversation=conversation, membership=membership).code == code


@pytest.mark.parametrize(
    ("showcase", "code"),
    [
        (None, "showcase_not_found"),
        (ShowcaseFacts(5, 9), "allowed"),
        (ShowcaseFacts(5, 9, approved=False), "showcase_unapproved"),
        (ShowcaseFacts(5, 9, public=False), "showcase_private"),
        (ShowcaseFacts(5, 7, approved=False, public=False), "allowed"),
        (ShowcaseFacts(5, None, approved=False), "showcase_unapproved"),
    ],
)
def test_showcase_rules(showcase, code):
    assert judge("showcase.5", showcase=showcase).code == code


@pytest.mark.parametrize("channel", ["seller.5", "marketplace.seller.5", "private-marketplace.seller.5"])
@pytest.mark.parametrize(
    ("seller", "code"),
    [
        (None, "seller_not_found"),
        (SellerFacts(5, 7), "allowed"),
        (SellerFacts(7, 5), "not_owner"),  # the channel names the seller, not the user
        (SellerFacts(5, None), "not_owner"),
    ],
)
def test_seller_rules(channel, seller, code):
    assert judge(channel, role="super_admin", seller=seller).code == code


SITE = Policy(site_channels=True)
YES = Decision(True, RULES[ChannelKind.SITE], "Laravel says so.", "allowed")
NO = Decision(False, RULES[ChannelKind.SITE], "Laravel says no.", "laravel_refused")


@pytest.mark.parametrize(
    ("name", "policy", "answer", "code"),
    [
        ("orders.5", SITE, None, "allowed"),
        ("orders.5", SITE, NO, "allowed"),
        ("private-orders.5", SITE, None, "authorizer_missing"),
        ("presence-room", SITE, None, "authorizer_missing"),
        ("private-orders.5", SITE, YES, "allowed"),
        ("presence-room", SITE, NO, "laravel_refused"),
        ("orders.5", Policy(), None, "channel_unknown"),
        ("private-orders.5", Policy(), YES, "channel_unknown"),
    ],
)
def test_channels_of_a_site_are_laravels_to_decide(name, policy, answer, code):
    verdict = judge(name, policy=policy, site=answer)
    assert (verdict.code, verdict.allowed) == (code, code == "allowed")


def test_laravels_answer_opens_no_channel_of_ours():
    assert judge("conversation.5", policy=SITE, site=YES).code == "conversation_not_found"
    assert judge("private-user.8", policy=SITE, site=YES).code == "not_owner"


def test_a_thread_is_not_more_open_than_its_forum():
    thread = ThreadFacts(1, 2, author_id=7)
    assert judge("presence-thread.1", role="member", thread=thread, forum=SENIORS).code == "role_too_low"
    assert judge("presence-thread.1", role="member", thread=thread, forum=None).code == "forum_not_found"


def test_fresh_facts_beat_the_role_in_the_token():
    identity = Identity(7, "super_admin", None, TokenKind.JWT, None, "0" * 16)
    demoted = Facts(UserFacts(7, None, "member"))
    assert decide(identity, parse_channel("admin.x"), demoted, Policy()).code == "role_too_low"


@pytest.mark.parametrize(
    ("change", "code"), [({"banned": True}, "user_banned"), ({"active": False}, "user_inactive")]
)
@pytest.mark.parametrize("name", ["public.news", "private-user.7", "forum.1"])
def test_a_banned_or_inactive_user_joins_nothing(name, change, code):
    identity, user = person()
    verdict = decide(identity, parse_channel(name), Facts(replace(user, **change), forum=OPEN), Policy())
    assert (verdict.allowed, verdict.code) == (False, code)


def test_an_operator_may_open_private_forums_to_members():
    forum = ForumFacts(4, None, private=True)
    policy = Policy(private_forum_level=Level.MEMBER)
    assert judge("forum.4", forum=forum, policy=policy).allowed


def test_an_operator_may_give_an_unknown_role_its_place():
    policy = Policy(ladder=Ladder().extended({"wizard": Level.ADMIN}))
    assert judge("admin.x", role="wizard", policy=policy).allowed


def test_every_kind_has_a_printable_rule():
    assert set(RULES) == set(ChannelKind)
    assert {row["kind"] for row in table()} == {kind.value for kind in ChannelKind} - {"site"}
    names = [name for row in table() for name in row["names"]]
    assert sorted(names) == sorted(row.shown for row in GRAMMAR)


@given(
    role=st.sampled_from([*ROLES, None, "no-such-role"]),
    required=st.sampled_from([*ROLES, None]),
    private=st.booleans(),
)
def test_a_higher_role_never_sees_less_of_a_forum(role, required, private):
    forum = ForumFacts(1, required, private)
    if judge("forum.1", role=role, forum=forum).allowed:
        assert judge("forum.1", role="super_admin", forum=forum).allowed


@given(
    row=st.sampled_from([row for row in GRAMMAR if facts_needed(_named(row), 7)]), role=st.sampled_from(ROLES)
)
def test_missing_facts_refuse(row, role):
    assert not judge(_named(row).name, role=role).allowed


def test_what_is_to_be_looked_up_of_each_kind():
    needed = {
        "presence-thread.5": ((Fact.THREAD, 5),),
        "private-forum.5": ((Fact.FORUM, 5),),
        "conversation.5": ((Fact.CONVERSATION, 5), (Fact.MEMBERSHIP, (5, 7))),
        "group.5": ((Fact.CONVERSATION, 5), (Fact.MEMBERSHIP, (5, 7))),
        "showcase.5": ((Fact.SHOWCASE, 5),),
        "seller.5": ((Fact.SELLER, 5),),
        "product.5": (),
        "marketplace.global": (),
        "user.7.messages": (),
    }
    assert {name: facts_needed(parse_channel(name), 7) for name in needed} == needed
    assert forum_of(ThreadFacts(5, 2)) == ((Fact.FORUM, 2),)
    assert forum_of(ThreadFacts(5, None)) == forum_of(None) == ()


SITE = Policy(site_channels=True)
YES = Decision(True, "Laravel decides", "Laravel said so.", "allowed")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("public.news", "allowed"),
        ("notifications", "allowed"),
        ("lobby", "allowed"),
        ("private-chat.1", "allowed"),
        ("presence-chat.1", "guest_presence"),
        ("presence-thread.5", "guest_presence"),
    ],
)
def test_guests_have_what_is_public_and_what_laravel_gives_them(name, code):
    found = decide(GUEST, parse_channel_of_site(name), Facts(site=YES), SITE)
    assert (found.code, found.allowed) == (code, code == "allowed")


@pytest.mark.parametrize("row", GRAMMAR, ids=lambda row: row.shown)
def test_of_our_own_channels_guests_have_the_public_ones_only(row):
    facts = Facts(
        thread=ThreadFacts(5, 1, author_id=0),
        forum=OPEN,
        conversation=ConversationFacts(5),
        membership=MembershipFacts(5, 0, participant=True),
        showcase=ShowcaseFacts(5, owner_id=0),
        seller=SellerFacts(5, owner_id=0),
        site=YES,
    )
    assert decide(GUEST, _named(row), facts, SITE).allowed is (row.kind is ChannelKind.PUBLIC)
