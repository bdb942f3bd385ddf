"""Who may join what, as a table, and the laws that hold for every row of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.access import RULES, Facts, ForumFacts, Policy, ThreadFacts, decide, facts_needed, table
from mechamap.domain.channels import ChannelKind, parse_channel
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.domain.roles import DEFAULT_LEVELS, Ladder, Level

ROLES = tuple(DEFAULT_LEVELS)


def person(user_id: int = 7, role: str | None = "member") -> tuple[Identity, UserFacts]:
    return Identity(user_id, role, "Binh", TokenKind.JWT, None, "0" * 16), UserFacts(user_id, "Binh", role)


def judge(name: str, *, role: str | None = "member", thread=None, forum=None, policy: Policy | None = None):
    identity, user = person(role=role)
    return decide(identity, parse_channel(name), Facts(user, thread, forum), policy or Policy())


OPEN = ForumFacts(1)
SENIORS = ForumFacts(2, "senior_member")


@pytest.mark.parametrize(
    ("name", "role", "code"),
    [
        ("public.news", "guest", "allowed"),
        ("public.news", "no-such-role", "allowed"),
        ("private-user.7", "guest", "allowed"),
        ("private-user.8", "super_admin", "not_owner"),
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
    assert {row["kind"] for row in table()} == {kind.value for kind in ChannelKind}


@given(
    role=st.sampled_from([*ROLES, None, "no-such-role"]),
    required=st.sampled_from([*ROLES, None]),
    private=st.booleans(),
)
def test_a_higher_role_never_sees_less_of_a_forum(role, required, private):
    forum = ForumFacts(1, required, private)
    if judge("forum.1", role=role, forum=forum).allowed:
        assert judge("forum.1", role="super_admin", forum=forum).allowed


@given(name=st.sampled_from(["presence-thread.1", "forum.1"]), role=st.sampled_from(ROLES))
def test_missing_facts_refuse(name, role):
    assert not judge(name, role=role).allowed
    assert facts_needed(parse_channel(name))
