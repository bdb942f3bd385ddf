"""The channel grammar: what exists, and every near miss that must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.channels import (
    MAX_NAME_LENGTH,
    ChannelKind,
    known_channel,
    parse_channel,
    spell,
    user_channel,
)
from mechamap.domain.errors import InvalidChannel


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


@pytest.mark.parametrize(
    "name",
    [
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
        "system.restart",
        "unknown.7",
        "*",
    ],
)
def test_a_near_miss_is_no_channel(name):
    with pytest.raises(InvalidChannel) as refusal:
        parse_channel(name)
    assert refusal.value.code == "channel_unknown"


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
    assert spell(channel.canonical) == name
    assert known_channel(channel.canonical) == channel


@given(st.integers(min_value=1, max_value=10**19 - 1))
def test_a_users_channel_belongs_to_that_user(user_id):
    channel = user_channel(user_id)
    assert channel == parse_channel(channel.name)
    assert channel.target == user_id
    assert spell(channel.canonical) == channel.name
