"""Triggering events: what browsers receive, what the caller is told, and what is refused."""

import json

import pytest

from tests.services.processes import wait_until

from .conftest import MAX_BYTES, Place, refused

THREAD = "presence-thread.10"


def news(browser) -> list:
    """The next news, without its position."""
    return browser.wait_for("news")[:-1]


def delivered_after(place: Place, browser, marker: str) -> list:
    """Every news so far, once ``marker`` came behind them."""
    place.call.event(name="marker", data=marker)
    assert browser.wait_for("marker")[0] == marker
    return [arguments[0] for arguments in browser.events("news")]


@pytest.mark.parametrize(
    ("data", "received"),
    [
        ('{"a":{"b":[1,null,"Xin ch\\u00e0o \\/"]}}', {"a": {"b": [1, None, "Xin chào /"]}}),
        ("[]", []),
        ('"text"', "text"),
        ("42", 42),
        ("plain words", "plain words"),
        ("", ""),
        ("NaN", "NaN"),
        ('{"broken": ', '{"broken": '),
    ],
)
def test_data_is_the_value_that_its_text_is_the_json_of_or_the_text(place: Place, browser, data, received):
    answer = place.call.event(data=data)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert news(browser) == [received]


def test_channels_as_php_and_as_node_send_them(place: Place, browser):
    assert place.call.event(channel="public.news", data="1").status == 200
    assert place.call.event(channel=None, channels=["public.news"], data="2").status == 200
    assert [news(browser), news(browser)] == [[1], [2]]


def test_an_event_of_several_channels_reaches_a_page_once(place: Place, browser):
    channels = ["public.news", "private-user.2", "private-user.3"]
    assert place.call.event(channel=None, channels=channels).status == 200
    assert delivered_after(place, browser, "several") == [{"n": 1}]


def test_the_sender_is_left_out(place: Place, browser):
    assert place.call.event(socket_id=browser.id).status == 200
    assert place.call.event(socket_id="1.1", data="2").status == 200
    assert delivered_after(place, browser, "sender") == [2]


def test_a_user_is_addressed_as_the_libraries_do(place: Place, browser):
    assert place.call.event(channel="#server-to-user-2").status == 200
    assert place.call.event(channel="#server-to-user-3", data="3").status == 200
    assert delivered_after(place, browser, "user") == [{"n": 1}]


def test_info_counts_subscriptions_and_in_presence_channels_users(place: Place, browser):
    place.site.browser(3).emit("subscribe", {"channel": THREAD})
    wait_until(lambda: occupied(place, THREAD), "the thread to be occupied")
    answer = place.call.event(
        channel=None, channels=["public.news", THREAD, "public.empty"], info="user_count,subscription_count"
    )
    assert answer.json() == {
        "channels": {
            "public.news": {"subscription_count": 1},
            THREAD: {"subscription_count": 1, "user_count": 1},
            "public.empty": {"subscription_count": 0},
        }
    }


def occupied(place: Place, name: str) -> bool:
    return place.call("GET", f"{{app}}/channels/{name}").json()["occupied"]


def test_a_batch_keeps_its_order(place: Place, browser):
    batch = [{"name": "news", "channel": "public.news", "data": str(number)} for number in range(10)]
    answer = place.call("POST", "{app}/batch_events", {"batch": batch})
    assert (answer.status, answer.body) == (200, b"{}")
    assert delivered_after(place, browser, "batch") == list(range(10))


def test_a_batch_tells_what_each_of_its_events_asked_for(place: Place, browser):
    event = {"name": "news", "channel": "public.news", "data": "{}"}
    batch = [{**event, "info": "subscription_count"}, event, {**event, "channel": "public.b", "info": ""}]
    answer = place.call("POST", "{app}/batch_events", {"batch": batch})
    assert answer.json() == {"batch": [{"subscription_count": 1}, {}, {}]}


def test_what_is_sent_again_under_a_name_is_accepted_once(place: Place, browser):
    body = {"name": "news", "channel": "public.news", "data": "1"}
    for _ in range(2):
        named = {"Idempotency-Key": "order-1"}
        assert place.call("POST", "{app}/events", body, headers=named).body == b"{}"
    for _ in range(2):
        batch = {"batch": [{**body, "data": "2"}, {**body, "data": "3"}]}
        named = {"Idempotency-Key": "batch-1"}
        assert place.call("POST", "{app}/batch_events", batch, headers=named).body == b"{}"
    assert delivered_after(place, browser, "again") == [1, 2, 3]
    other = place.call("POST", "{app}/events", {**body, "data": "4"}, headers={"Idempotency-Key": "order-1"})
    refused(other, 409, "idempotency_conflict")


def test_a_persons_notification_goes_to_no_channel_of_many_and_is_told_once(place: Place, browser):
    told = {"name": "notification.received", "data": '{"id": 51, "title": "private"}'}
    shared = place.call.event(**told, channel=None, channels=["private-user.2", "forum.1"], info="user_count")
    assert shared.json() == {"channels": {"private-user.2": {}}}
    assert place.call.event(**told, channel="private-user.2").status == 200
    refused(place.call.event(**told, channel="forum.1"), 400, "channel_withheld")
    delivered_after(place, browser, "private")
    assert len(browser.events("notification.received")) == 1


EVENT = {"name": "news", "channel": "public.news", "data": "{}"}
WRONG = {
    "no name": ({"name": None}, "event_required", "name"),
    "a name that is none": ({"name": 7}, "event_invalid", "name"),
    "a long name": ({"name": "x" * 201}, "event_too_long", "name"),
    "a reserved name": ({"name": "pusher:ping"}, "event_reserved", "name"),
    "a name of socket.io": ({"name": "disconnect"}, "event_reserved", "name"),
    "no data": ({"data": None}, "data_required", "data"),
    "data that is no text": ({"data": {"a": 1}}, "data_invalid", "data"),
    "data too deep": ({"data": "[" * 40 + "]" * 40}, "data_too_deep", "data"),
    "no channel": ({"channel": None}, "channel_required", "channel"),
    "an unknown channel": ({"channel": "private-user.7abc"}, "channel_unknown", "channel"),
    "a long channel": ({"channel": "public." + "x" * 200}, "channel_too_long", "channel"),
    "a user that is none": ({"channel": "#server-to-user-anna"}, "channel_unknown", "channel"),
    "channel and channels": ({"channels": ["public.b"]}, "channels_ambiguous", "channels"),
    "no channels": ({"channel": None, "channels": []}, "channels_required", "channels"),
    "channels that are none": ({"channel": None, "channels": "public.b"}, "channels_required", "channels"),
    "one unknown of several": (
        {"channel": None, "channels": ["public.news", "nope"]}, "channel_unknown", "channels[1]",
    ),
    "too many channels": (
        {"channel": None, "channels": [f"public.{n}" for n in range(101)]}, "too_many_channels", "channels",
    ),
    "a socket that is none": ({"socket_id": "abc"}, "socket_invalid", "socket_id"),
    "an unknown attribute": ({"info": "secrets"}, "info_invalid", "info"),
    "an attribute that is no text": ({"info": 7}, "info_invalid", "info"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_broken_rule_is_400_by_its_field_and_publishes_nothing(place: Place, browser, what):
    changes, code, field = WRONG[what]
    answer = place.call.event(**changes)
    assert refused(answer, 400, code)["field"] == field
    entry = {name: value for name, value in {**EVENT, **changes}.items() if value is not None}
    entry.setdefault("channel", None if "channel" in changes else "public.news")
    if "channels" not in changes:
        batch = place.call("POST", "{app}/batch_events", {"batch": [EVENT, entry]})
        assert refused(batch, 400, code)["field"] == f"batch[1].{field}"
    assert delivered_after(place, browser, what) == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"name": NaN}', b"\xff", b"[" * 2000])
def test_a_body_that_is_no_object(place: Place, body):
    for path in ("{app}/events", "{app}/batch_events"):
        refused(place.call("POST", path, body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("batch", "code"), [(None, "batch_required"), ([], "batch_required"), ([EVENT] * 11, "batch_too_large"),
                        ([7], "invalid_field")],
)  # fmt: skip
def test_a_batch_that_cannot_be(place: Place, batch, code):
    answer = place.call("POST", "{app}/batch_events", {"batch": batch})
    body = refused(answer, 400, code)
    if code == "batch_too_large":
        assert "Batch too large" in body["error"]


def test_a_hundred_channels_are_fine(place: Place):
    assert place.call.event(channel=None, channels=[f"public.{n}" for n in range(100)]).status == 200


def test_data_over_the_limit_is_413_in_words_that_libraries_look_for(place: Place):
    data = json.dumps("x" * MAX_BYTES)
    body = refused(place.call.event(data=data), 413, "payload_too_large")
    assert "content of this event" in body["error"] and body["limit"] == MAX_BYTES
    batch = place.call("POST", "{app}/batch_events", {"batch": [EVENT, {**EVENT, "data": data}]})
    assert refused(batch, 413, "payload_too_large")["field"] == "batch[1].data"
    assert place.call.event(data=json.dumps("x" * (MAX_BYTES - 2))).status == 200


def test_a_body_over_the_servers_limit_is_413(place: Place):
    answer = place.call("POST", "{app}/events", b"x" * 1_100_000)
    assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")
