"""The channel grammar: what exists, and every near miss that must not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.channels import (
    MAX_NAME_LENGTH,
    known_channel,
    parse_channel,
    parse_channel_of_site,
    spell,
    user_channel,
)
from mechamap.domain.errors import InvalidChannel
from mechamap.domain.grammar import GRAMMAR, ChannelKind


@pytest.mark.parametrize(
    ("name", "kind", "canonical", "target"),
    [
        ("public.news", ChannelKind.PUBLIC, "public:news", None),
        ("public.news.sub-topic_2", ChannelKind.PUBLIC, "public:news.sub-topic_2", None),
        ("private-user.7", ChannelKind.USER, "user:7", 7),
        ("presence-thread.12", ChannelKind.THREAD, "thread:12", 12),
        ("forum.3", ChannelKind.FORUM, "forum:3", 3),
        ("admin.metrics", ChannelKind.ADMIN, "admin:metrics", None),
        ("moderator.queue", ChannelKind.MODERATOR, "moderator:queue", None),
        (
            "private-user.9999999999999999999",
            ChannelKind.USER,
            "user:9999999999999999999",
            9999999999999999999,
        ),
    ],
)
def test_a_name_of_the_grammar_is_a_channel(name, kind, canonical, target):
    channel = parse_channel(name)
    assert (channel.kind, channel.canonical, channel.target, channel.name) == (kind, canonical, target, name)


NEAR_MISSES = [
    "private-user.",
    "private-user.0",
    "private-user.07",
    "private-user.-7",
    "private-user.+7",
    "private-user. 7",
    "private-user.7 ",
    "private-user.7\n",
    "private-user.7abc",
    "private-user.7.x",
    "private-user.7_0",
    "private-user.\uff17",  # a full-width 7, which int() takes
    "private-user.10000000000000000000",  # 20 digits
    "Private-User.7",
    "xprivate-user.7",
    "presence-thread.1e3",
    "forum.",
    "forum.3/",
    "public",
    "public.",
    "public..x",
    "public.x.",
    "public.a b",
    "public.é",
    "admin",
    "system",
    "user.7.7",
    "user.7.secrets",
    "user.07.messages",
    "private-user.7.messages",
    "private-public.x",
    "following.x",
    "presence-forum.7",
    "marketplace.7",
    "marketplace.orders",
    "marketplace.globals",
    "marketplace.seller.x",
    "notifications.x",
    "notifications.role.",
    "notifications.role.Admin",
    "notifications.role.a.b",
    "private-notifications",
    "unknown.7",
    "*",
]
FIRST_WORDS = {row.shown.partition(".")[0] for row in GRAMMAR}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_is_no_channel(name):
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel(name)
    assert refusal.value.code == "channel_unknown"


@pytest.mark.parametrize("name", [name for name in NEAR_MISSES if name.partition(".")[0] in FIRST_WORDS])
def test_a_near_miss_that_begins_like_ours_is_no_channel_of_the_site_either(name):
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel_of_site(name)
    assert refusal.value.code == "channel_unknown"


CANONICAL = {
    "public:news": ("public.news",),
    "public:notifications": ("public.notifications", "notifications"),
    "user:7": ("private-user.7", "user.7"),
    "user:7.messages": ("user.7.messages",),
    "user:7.orders": ("user.7.orders",),
    "user:7.following": ("user.7.following", "following.7"),
    "thread:7": ("presence-thread.7", "thread.7", "private-thread.7"),
    "forum:7": ("forum.7", "private-forum.7"),
    "conversation:7": ("conversation.7", "private-conversation.7"),
    "group:7": ("group.7", "private-group.7"),
    "showcase:7": ("showcase.7",),
    "product:7": ("product.7",),
    "product:global": ("marketplace.global",),
    "orders:7": ("marketplace.orders.7", "private-marketplace.orders.7"),
    "seller:7": ("marketplace.seller.7", "private-marketplace.seller.7", "seller.7"),
    "role:content_admin": (
        "notifications.role.content_admin",
        "private-notifications.role.content_admin",
    ),
    "admin:a.b": ("admin.a.b", "private-admin.a.b"),
    "moderator:queue": ("moderator.queue",),
    "system:restart": ("system.restart",),
}


@pytest.mark.parametrize(("canonical", "names"), CANONICAL.items())
def test_all_spellings_of_a_channel_share_one_room(canonical, names):
    for name in names:
        channel = parse_channel(name)
        assert (channel.name, channel.canonical) == (name, canonical)
        assert channel.kind.value == canonical.partition(":")[0]
        assert channel.target == (7 if ":7" in canonical else None)
    assert spell(canonical) == names[0]
    assert known_channel(canonical) == parse_channel(names[0])


def test_the_table_above_has_every_spelling():
    names = [name for names in CANONICAL.values() for name in names if name != "public.notifications"]
    assert len(names) == len(set(names)) == len(GRAMMAR)


@given(st.sampled_from(GRAMMAR), st.data())
def test_every_name_of_the_grammar_comes_back_from_its_canonical_name(row, data):
    name = data.draw(
        st.from_regex(
            re.escape(row.shown)
            .replace(r"\{id\}", "[1-9][0-9]{0,18}")
            .replace(r"\{role\}", "[a-z][a-z0-9_]{0,30}")
            .replace(r"\{topic\}", r"[A-Za-z0-9_\-]{1,9}(\.[A-Za-z0-9_\-]{1,9}){0,3}"),
            fullmatch=True,
            alphabet=st.characters(max_codepoint=127),
        )
    )
    channel = parse_channel(name)
    assert channel.kind is row.kind
    known = known_channel(channel.canonical)
    assert known == parse_channel(spell(channel.canonical))
    assert (known.canonical, known.target) == (channel.canonical, channel.target)


SITE_NAMES = [
    "orders.5",
    "private-App.Models.User.7",
    "presence-room@1",
    "private-encrypted-a=b,c;d",
    "cache-news",
    "private-cache-news",
    "chat",
    "12.34x",
    "1234",
    "x" * MAX_NAME_LENGTH,
]


@pytest.mark.parametrize("name", SITE_NAMES)
def test_other_names_are_channels_where_the_site_has_its_own(name):
    channel = parse_channel_of_site(name)
    assert (channel.kind, channel.canonical, channel.target) == (ChannelKind.SITE, f"site:{name}", None)
    assert channel.guarded is name.startswith(("private-", "presence-"))
    assert channel.presence is name.startswith("presence-")
    assert known_channel(channel.canonical) == channel
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel(name)
    assert refusal.value.code == "channel_unknown"


@pytest.mark.parametrize(
    "name", ["a b", "12.34", "site:x", "user:7", "a/b", "a\n", "é", "#a", "a*", "{a}", "a\x00"]
)
def test_what_pusher_refuses_is_no_channel_of_the_site(name):
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel_of_site(name, "channels[2]")
    assert (refusal.value.code, refusal.value.field) == ("channel_unknown", "channels[2]")


@pytest.mark.parametrize("name", [None, "", 7, "x" * (MAX_NAME_LENGTH + 1)])
def test_a_site_bends_no_other_rule(name):
    with pytest.raises(InvalidChannel) as strict:
        parse_channel(name)
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel_of_site(name)
    assert (refusal.value.code, refusal.value.message) == (strict.value.code, strict.value.message)


@given(st.sampled_from(GRAMMAR), st.text(alphabet="07ab.-_@ ", max_size=8))
def test_a_name_that_begins_like_ours_never_is_a_channel_of_the_site(row, rest):
    try:
        channel = parse_channel_of_site(row.shown.partition(".")[0] + "." + rest)
    except InvalidChannel:
        return
    assert channel.kind is not ChannelKind.SITE


@pytest.mark.parametrize("name", [None, "", 7, [], {}, ["private-user.7"], True, b"public.x"])
def test_what_is_not_text_is_answered_with_the_plans_sentence(name):
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel(name)
    assert str(refusal.value) == "Channel is required"
    assert refusal.value.code == "channel_required"


def test_the_longest_name_is_taken_and_one_more_character_is_not():
    assert parse_channel("public." + "x" * (MAX_NAME_LENGTH - 7))
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel("public." + "x" * (MAX_NAME_LENGTH - 6))
    assert refusal.value.code == "channel_too_long"
    assert str(MAX_NAME_LENGTH) in str(refusal.value)


@given(st.text(max_size=MAX_NAME_LENGTH + 10))
def test_any_text_is_either_a_channel_of_the_grammar_or_refused(name):
    try:
        channel = parse_channel(name)
    except InvalidChannel:
        return
    assert channel.name == name
    assert parse_channel(spell(channel.canonical)) == known_channel(channel.canonical)


@given(st.integers(min_value=1, max_value=10**19 - 1))
def test_a_users_channel_belongs_to_that_user(user_id):
    channel = user_channel(user_id)
    assert channel == parse_channel(channel.name)
    assert channel.target == user_id
    assert spell(channel.canonical) == channel.name
