"""What publishers may say, and the field each refusal names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain import wire
from mechamap.domain.channels import parse_channel, parse_channel_of_site
from mechamap.domain.errors import InvalidField, InvalidRequest, RealtimeError
from mechamap.domain.payloads import MAX_DEPTH
from mechamap.domain.wire import read_batch, read_broadcast

PLAN = {
    "channel": "private-user.7",
    "event": "notification.sent",
    "data": {"id": 5, "title": "Xin chào", "unread_count": 3},
    "timestamp": "2026-11-23T03:12:45.123456Z",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_the_plans_body_is_a_publication():
    publication = read_broadcast(PLAN, "key:laravel")
    assert publication.rooms == ("user:7",)
    assert (publication.event, json.loads(publication.payload)) == ("notification.sent", PLAN["data"])
    assert publication.origin == "key:laravel"
    assert len(publication.id) == 32


@pytest.mark.parametrize("data", [[], {}, None, [1, 2], "text", 0, False])
def test_any_json_value_is_data(data):
    assert json.loads(read_broadcast({**PLAN, "data": data}, "k").payload) == data


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"channel": None}, "channel", "channel_required"),
        ({"channel": ""}, "channel", "channel_required"),
        ({"channel": 7}, "channel", "channel_required"),
        ({"channel": "no.such"}, "channel", "channel_unknown"),
        ({"channel": "public." + "x" * 200}, "channel", "channel_too_long"),
        ({"event": None}, "event", "event_required"),
        ({"event": ""}, "event", "event_invalid"),
        ({"event": ["x"]}, "event", "event_invalid"),
        ({"event": "x" * 201}, "event", "event_too_long"),
        ({"event": "a\nb"}, "event", "event_invalid"),
        ({"timestamp": "yesterday"}, "timestamp", "timestamp_invalid"),
        ({"timestamp": 1700000000}, "timestamp", "timestamp_invalid"),
        ({"channels": ["public.x"]}, "channels", "channels_ambiguous"),
    ],
)
def test_each_refusal_names_its_field(change, field, code):
    with pytest.raises(InvalidField) as refusal:
        read_broadcast({**PLAN, **change}, "k")
    assert (refusal.value.field, refusal.value.code) == (field, code)
    assert refusal.value.http_status == 422


@pytest.mark.parametrize(
    "event", sorted(wire.RESERVED_EVENTS) + ["presence:joining", "pusher:ping", "pusher_internal:x"]
)
def test_reserved_names_cannot_be_published(event):
    with pytest.raises(InvalidField) as refusal:
        read_broadcast({**PLAN, "event": event}, "k")
    assert refusal.value.code == "event_reserved"


@pytest.mark.parametrize(
    "event", ["notification.sent", "App\\Events\\OrderShipped", "client-typing", "thảo luận", "disconnected"]
)
def test_names_that_laravel_uses_can_be_published(event):
    assert read_broadcast({**PLAN, "event": event}, "k").event == event


def test_data_must_be_there_even_when_it_is_null():
    body = {key: value for key, value in PLAN.items() if key != "data"}
    with pytest.raises(InvalidField) as refusal:
        read_broadcast(body, "k")
    assert refusal.value.code == "data_required"


def test_data_may_be_as_deep_as_the_limit_and_no_deeper():
    def nested(levels: int) -> object:
        value: object = "core"
        for _ in range(levels):
            value = [value]
        return value

    assert read_broadcast({**PLAN, "data": nested(MAX_DEPTH)}, "k")
    with pytest.raises(InvalidField) as refusal:
        read_broadcast({**PLAN, "data": nested(MAX_DEPTH + 1)}, "k")
    assert refusal.value.code == "data_too_deep"
    with pytest.raises(InvalidField):
        read_broadcast({**PLAN, "data": nested(5000)}, "k")


@pytest.mark.parametrize(
    "body", [{"channel": {"name": "public.a"}}, {"channels": [{"name": "public.a"}, "public.a"]}]
)
def test_a_channel_may_be_an_object_with_a_name(body):
    assert read_broadcast({**body, "event": "x", "data": 1}, "k").rooms == ("public:a",)


def test_several_channels_are_each_kept_once():
    body = {"channels": ["public.a", "private-user.7", "public.a"], "event": "x", "data": 1}
    assert read_broadcast(body, "k").rooms == ("public:a", "user:7")


@pytest.mark.parametrize(
    ("channels", "field", "code"),
    [
        ([], "channels", "channels_required"),
        ("public.a", "channels", "channels_required"),
        (None, "channels", "channels_required"),
        (["public.a", "bad"], "channels[1]", "channel_unknown"),
        ([{"name": 7}], "channels[0]", "channel_required"),
        ([{"channel": "public.a"}], "channels[0]", "channel_required"),
        (["public.a"] * 101, "channels", "too_many_channels"),
    ],
)
def test_a_wrong_list_of_channels_names_the_entry(channels, field, code):
    with pytest.raises(InvalidField) as refusal:
        read_broadcast({"channels": channels, "event": "x", "data": 1}, "k")
    assert (refusal.value.field, refusal.value.code) == (field, code)


@pytest.mark.parametrize("body", [None, [], "text", 7, True])
def test_a_body_that_is_no_object_is_unreadable(body):
    with pytest.raises(InvalidRequest):
        read_broadcast(body, "k")
    with pytest.raises(InvalidRequest):
        read_batch(body, "k")


def test_a_batch_keeps_its_order():
    bodies = [{**PLAN, "data": n} for n in range(5)]
    payloads = [publication.payload for publication in read_batch({"broadcasts": bodies}, "k")]
    assert payloads == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(
    ("broadcasts", "field"),
    [
        ([], "broadcasts"),
        ("x", "broadcasts"),
        (None, "broadcasts"),
        ([PLAN] * 101, "broadcasts"),
        ([PLAN, 7], "broadcasts[1]"),
        ([PLAN, {**PLAN, "event": "connect"}], "broadcasts[1].event"),
        ([{**PLAN, "channel": "x"}], "broadcasts[0].channel"),
    ],
)
def test_a_wrong_batch_names_the_entry_and_its_field(broadcasts, field):
    with pytest.raises(InvalidField) as refusal:
        read_batch({"broadcasts": broadcasts}, "k")
    assert refusal.value.field == field


@given(json_values)
def test_no_body_whatever_raises_anything_but_our_errors(body):
    for read in (read_broadcast, read_batch):
        try:
            read(body, "k")
        except RealtimeError as err:
            assert 400 <= err.http_status < 500


@given(st.dictionaries(st.sampled_from(["channel", "channels", "event", "data", "timestamp"]), json_values))
def test_no_object_of_the_right_fields_raises_anything_but_our_errors(body):
    try:
        read_broadcast(body, "k")
    except RealtimeError as err:
        assert 400 <= err.http_status < 500


def test_a_site_with_channels_of_its_own_publishes_to_them_and_others_are_told_that_there_is_none():
    body = {"channels": ["private-orders.5", "orders@1", "forum.1"], "event": "x", "data": None}
    read = read_broadcast(body, "key:a", parse=parse_channel_of_site)
    assert [channel.canonical for channel in read.channels] == [
        "site:private-orders.5",
        "site:orders@1",
        "forum:1",
    ]
    batch = read_batch({"broadcasts": [body]}, "key:a", parse=parse_channel_of_site)
    assert batch[0].channels == read.channels
    for parse, name, field in (
        (parse_channel, "orders.5", "broadcasts[0].channel"),
        (parse_channel_of_site, "forum.x", "broadcasts[0].channel"),
    ):
        with pytest.raises(InvalidField) as refusal:
            read_batch({"broadcasts": [{"channel": name, "event": "x", "data": 1}]}, "key:a", parse=parse)
        assert (refusal.value.code, refusal.value.field) == ("channel_unknown", field)
