"""What the application's PHP says over HTTP, read as publications and orders."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.commands import Action
from mechamap.domain.errors import InvalidField, InvalidRequest
from mechamap.domain.publication import Publication
from mechamap.domain.twins import twin_of
from mechamap.domain.wire import MOST_CHANNELS
from mechamap.ingest.dialects.broadcast import read_any
from mechamap.ingest.dialects.driver import Driven, read_driver
from mechamap.ingest.dialects.group import Membership, read_group
from mechamap.ingest.dialects.notify import read_notify

ROW = {"id": 5, "type": "comment", "title": "Xin chào", "is_read": False}
NOTIFICATION = {
    "event": "notification",
    "user_id": 7,
    "channel": "user.7",
    "priority": "normal",
    "data": ROW,
    "metadata": {"version": "1.0", "source": "laravel", "request_id": "r-1", "unread_count": 3},
}
DRIVEN = {
    "channels": [{"name": "presence-thread.1"}, {"name": "private-user.7"}],
    "event": "comment.created",
    "data": {"type": "comment", "socket": None},
    "timestamp": "2026-11-23T03:12:45.123456Z",
}


def said(publication: Publication) -> tuple[tuple[str, ...], str, object]:
    return publication.rooms, publication.event, json.loads(publication.payload)


def changed(body: dict, **changes: object) -> dict:
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


def refused(read, body: object) -> tuple[str, str]:
    with pytest.raises(InvalidField) as refusal:
        read(body, "k")
    return refusal.value.field, refusal.value.code


def test_a_notification_goes_to_its_user_with_the_unread_count():
    told = ("user:7",), "notification", {**ROW, "unread_count": 3}
    assert said(read_any(NOTIFICATION, "k")) == told
    assert said(read_any(changed(NOTIFICATION, channel=...), "k")) == told
    assert said(read_any(changed(NOTIFICATION, user_id="7"), "k")) == told


@pytest.mark.parametrize(
    "metadata", [{}, {"unread_count": None}, {"unread_count": "3"}, {"unread_count": True}]
)
def test_what_is_no_count_is_not_added(metadata):
    assert said(read_any(changed(NOTIFICATION, metadata=metadata), "k"))[2] == ROW


def test_a_count_of_the_publishers_own_stays():
    data = {**ROW, "unread_count": 9}
    assert said(read_any(changed(NOTIFICATION, data=data), "k"))[2] == data


def test_a_notification_of_a_row_is_named_by_it_and_another_by_its_request():
    named = read_any(NOTIFICATION, "k")
    assert named.once == twin_of("notification", named.channels, ROW)
    other = changed(NOTIFICATION, data={"title": "x"})
    first, again = read_any(other, "k"), read_any(other, "k")
    assert first.once is not None and first.once == again.once
    # one request of Laravel's may send several
    third = read_any(changed(other, data={"title": "y"}), "k")
    assert third.once.token != first.once.token
    assert read_any(changed(NOTIFICATION, metadata={}, data={}), "k").once is None
    # what the publisher itself calls it goes before both
    assert read_any(NOTIFICATION, "k", key="mine").once == read_any(NOTIFICATION, "k", key="mine").once
    assert read_any(NOTIFICATION, "k", key="mine").once.seconds is None


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"user_id": 8}, "channel", "user_id_mismatch"),
        ({"user_id": None, "channel": ...}, "user_id", "user_id_required"),
        ({"user_id": 0}, "user_id", "user_id_invalid"),
        ({"user_id": True}, "user_id", "user_id_invalid"),
        ({"user_id": "07"}, "user_id", "user_id_invalid"),
        ({"user_id": "७"}, "user_id", "user_id_invalid"),
        ({"user_id": 2**63}, "user_id", "user_id_invalid"),
        ({"user_id": [7]}, "user_id", "user_id_invalid"),
        ({"data": ...}, "data", "data_required"),
        ({"event": "connect"}, "event", "event_reserved"),
        ({"metadata": {"request_id": 7}}, "metadata.request_id", "id_invalid"),
        ({"metadata": {"request_id": "x" * 201}}, "metadata.request_id", "id_too_long"),
    ],
)
def test_a_wrong_notification_is_refused_by_field(changes, field, code):
    assert refused(read_any, changed(NOTIFICATION, **changes)) == (field, code)


def test_the_plans_body_stays_what_it_was_whatever_else_it_has():
    more = {"user_id": 9, "to": "x", "request_id": 7}
    for body, rooms in (
        ({"channel": "forum.1", **more}, ("forum:1",)),
        ({"channel": "forum.1", **more, "metadata": {"unread_count": 3, "request_id": 7}}, ("forum:1",)),
        ({"channel": "private-user.7", "user_id": None, "metadata": {"unread_count": 3}}, ("user:7",)),
        ({"channel": "private-user.7", **more}, ("user:7",)),
        ({"channels": ["private-user.7"], **more, "metadata": {"unread_count": 3}}, ("user:7",)),
    ):
        publication = read_any({**body, "event": "e", "data": ROW}, "k")
        assert said(publication) == (rooms, "e", ROW)
        assert publication.once is None


def test_an_event_to_a_user_or_a_thread():
    body = {"event": "e", "data": 1}
    assert said(read_any({**body, "to": "user", "user_id": 7}, "k")) == (("user:7",), "e", 1)
    assert said(read_any({**body, "to": "thread", "thread_id": "12"}, "k")) == (("thread:12",), "e", 1)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"to": "world"}, "to", "to_invalid"),
        ({"to": ["user"]}, "to", "to_invalid"),
        ({"to": None, "user_id": 7}, "to", "to_invalid"),
        ({"to": "user"}, "user_id", "user_id_required"),
        ({"to": "thread"}, "thread_id", "thread_id_required"),
        ({"to": "thread", "thread_id": "1 OR 1"}, "thread_id", "thread_id_invalid"),
        ({"to": "thread", "thread_id": 10**400}, "thread_id", "thread_id_invalid"),
    ],
)
def test_an_event_to_nobody_is_refused_by_field(body, field, code):
    assert refused(read_any, {"event": "e", "data": 1, **body}) == (field, code)


def test_the_drivers_channels_are_objects_or_names_and_one_publication():
    told = ("thread:1", "user:7"), "comment.created", {"type": "comment"}
    assert said(read_driver(DRIVEN, "k").publication) == told
    names = ["presence-thread.1", "private-user.7", {"name": "presence-thread.1"}]
    assert said(read_driver(changed(DRIVEN, channels=names), "k").publication) == told


def test_the_sender_is_left_out_and_its_id_stays_here():
    for body in (
        changed(DRIVEN, data={"n": 1, "socket": "12.34"}),
        changed(DRIVEN, data={"n": 1}, socket="12.34"),
        changed(DRIVEN, data={"n": 1, "socket": "other"}, socket="12.34"),
    ):
        publication = read_driver(body, "k").publication
        assert (publication.except_id, json.loads(publication.payload)) == ("12.34", {"n": 1})
    assert read_driver(changed(DRIVEN, data=[]), "k").publication.payload == b"[]"


def test_a_channel_that_is_none_does_not_keep_the_event_from_the_others():
    names = [{"name": "nonsense.1"}, {"name": "private-user.7"}, {}, 7, None, "private-user.07"]
    driven = read_driver(changed(DRIVEN, channels=names), "k")
    assert driven.publication.rooms == ("user:7",)
    assert list(driven.left_out) == ["channel_unknown", *["channel_required"] * 3, "channel_unknown"]
    assert driven.names == ("nonsense.1", "private-user.7", None, None, None, "private-user.07")
    assert refused(read_driver, changed(DRIVEN, channels=names[2:])) == ("channels[0]", "channel_required")


def test_a_private_notification_goes_to_its_user_alone():
    names = ["private-user.7", "private-forum.3", "private-notifications.role.supplier"]
    driven = read_driver(changed(DRIVEN, channels=names, event="notification.received", data=ROW), "k")
    assert driven.publication.rooms == ("user:7",)
    assert [each.name for each in driven.publication.withheld] == names[1:]
    assert driven.publication.once == read_any(NOTIFICATION, "k").once
    assert read_driver(changed(DRIVEN, event="notification", data=ROW), "k").publication.once is None


def test_a_thread_may_have_many_followers():
    followers = [{"name": f"private-user.{n}"} for n in range(1, MOST_CHANNELS + 1)]
    assert len(read_driver(changed(DRIVEN, channels=followers), "k").publication.channels) == MOST_CHANNELS
    one_more = [*followers, {"name": "public.x"}]
    assert refused(read_driver, changed(DRIVEN, channels=one_more)) == ("channels", "too_many_channels")


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"channels": ...}, "channels", "channels_required"),
        ({"channels": {"name": "public.x"}}, "channels", "channels_required"),
        ({"event": ...}, "event", "event_required"),
        ({"event": "pusher:x"}, "event", "event_reserved"),
        ({"data": ...}, "data", "data_required"),
        ({"data": {"socket": 7}}, "data.socket", "socket_invalid"),
        ({"socket": ["1.2"]}, "socket", "socket_invalid"),
        ({"socket": "x" * 101}, "socket", "socket_invalid"),
        ({"timestamp": "yesterday"}, "timestamp", "timestamp_invalid"),
    ],
)
def test_a_wrong_event_of_the_driver_is_refused_by_field(changes, field, code):
    assert refused(read_driver, changed(DRIVEN, **changes)) == (field, code)


def test_what_is_sent_to_a_user_comes_under_its_type_and_as_a_notification():
    body = {"action": "send_to_user", "user_id": 7, "data": {"type": "rating_liked", "n": 1}}
    first, second = read_notify(body, "k", key="n")
    data = body["data"]
    assert said(first) == (("user:7",), "rating_liked", data)
    assert said(second) == (("user:7",), "notification", data)
    assert first.once.token != second.once.token
    for type in ("notification", ...):
        [only] = read_notify({**body, "data": changed(data, type=type)}, "k")
        assert only.event == "notification"


def test_what_goes_to_a_channel_comes_under_its_type_alone():
    body = {"action": "broadcast_to_channel", "channel": "public.x", "data": {"type": "rated"}}
    [publication] = read_notify(body, "k")
    assert said(publication) == (("public:x",), "rated", {"type": "rated"})


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "action", "action_invalid"),
        ({"action": ["send_to_user"]}, "action", "action_invalid"),
        ({"action": "join_channel"}, "action", "action_invalid"),
        ({"action": "send_to_user", "data": {}}, "user_id", "user_id_required"),
        ({"action": "send_to_user", "user_id": 7}, "data", "data_required"),
        (
            {"action": "send_to_user", "user_id": 7, "data": {"type": "connect"}},
            "data.type",
            "event_reserved",
        ),
        ({"action": "broadcast_to_channel", "data": {}}, "channel", "channel_required"),
        ({"action": "broadcast_to_channel", "channel": "public.x", "data": 1}, "data.type", "event_required"),
    ],
)
def test_a_wrong_notice_is_refused_by_field(body, field, code):
    assert refused(read_notify, body) == (field, code)


def test_the_group_service_publishes_and_orders():
    group = {
        "action": "broadcast_to_channel",
        "channel": "group.5",
        "event": "group_message",
        "data": {"id": 1},
    }
    assert said(read_group(group, "k")) == (("group:5",), "group_message", {"id": 1})
    message = {"action": "send_to_user", "user_id": 7, "data": {"type": "group_message"}}
    assert said(read_group(message, "k"))[:2] == (("user:7",), "notification")
    assert said(read_group({**message, "event": "x"}, "k"))[1] == "x"
    order = read_group({"action": "join_channel", "user_id": "7", "channel": {"name": "group.5"}}, "k")
    assert isinstance(order, Membership)
    assert (order.command.action, order.command.user_id) == (Action.JOIN, 7)
    assert order.command.subject == "group.5"
    left = read_group({"action": "leave_channel", "user_id": 7, "channel": "forum.5"}, "k")
    assert left.command.action is Action.LEAVE


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"action": 7}, "action", "action_invalid"),
        ({"action": {}}, "action", "action_invalid"),
        ({"action": "join_channel"}, "user_id", "user_id_required"),
        ({"action": "join_channel", "user_id": 7}, "channel", "channel_required"),
        ({"action": "leave_channel", "user_id": 7, "channel": "x.1"}, "channel", "channel_unknown"),
        ({"action": "broadcast_to_channel", "channel": "public.x", "data": 1}, "event", "event_required"),
        ({"action": "send_to_user", "user_id": 7, "event": None, "data": 1}, "event", "event_required"),
    ],
)
def test_a_wrong_wish_of_the_group_service_is_refused_by_field(body, field, code):
    assert refused(read_group, body) == (field, code)


NAMES = st.sampled_from(
    ["channel", "channels", "event", "data", "user_id", "to", "thread_id", "metadata", "request_id", "action",
     "socket", "timestamp", "id", "name", "type", "unread_count", "x"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["private-user.7", "public.x", "forum.3", "notification", "notification.received", "e", "user",
     "thread", "7", "send_to_user", "broadcast_to_channel", "join_channel", "leave_channel", "", "1.2"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("read", [read_any, read_driver, read_notify, read_group])
@given(body=VALUES | st.dictionaries(NAMES, VALUES, max_size=8))
def test_any_json_is_read_or_refused(read, body):
    """Nothing else may happen, and what is read keeps every rule."""
    try:
        found = read(body, "k")
    except (InvalidField, InvalidRequest):
        return
    if isinstance(found, Driven):
        found = found.publication
    for publication in found if isinstance(found, tuple) else (found,):
        if isinstance(publication, Membership):
            assert publication.command.subject
            continue
        assert publication.channels and publication.event
        json.loads(publication.payload)
        if publication.event == "notification.received":
            assert all(room.startswith("user:") for room in publication.rooms)
