"""The paths of the application's own PHP on the assembled application: shapes, keys, hostile bodies."""

import json
import time
from collections.abc import Callable, Iterator

import jwt
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap import create_app
from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.protocol import BroadcastKey
from mechamap.domain.errors import BrokerUnavailable
from mechamap.settings import load

from .conftest import KEY

DRIVER, NOTIFY, BROADCAST = "/api/laravel-broadcast", "/api/notify", "/api/broadcast"
EVENT = {
    "channels": [{"name": "thread.1"}, {"name": "private-user.7"}],
    "event": "comment.created",
    "data": {"type": "comment", "socket": None},
}
NOTIFICATION = {
    "event": "notification",
    "user_id": 7,
    "channel": "user.7",
    "data": {"id": 5, "title": "x"},
    "metadata": {"request_id": "r", "unread_count": 2},
}
JOIN = {"action": "join_channel", "user_id": 7, "channel": "group.5"}

Call = Callable[..., tuple[int, dict]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Without limits of rate, of which wrong keys are subject here."""
    instance = str(tmp_path_factory.mktemp("instance"))
    about = {"INSTANCE_PATH": instance, "WEBSOCKET_API_KEY": KEY, "RATE_LIMITS": "off", "LOG_LEVEL": "ERROR"}
    app = create_app(load(about))
    runtime = app.extensions["mechamap"].runtime
    runtime.start()
    yield app
    runtime.stop()


def call(app: Flask, method: str, path: str, body: object, headers: dict[str, str], peer: str):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    builder = EnvironBuilder(path, method=method, data=data if method == "POST" else None, headers=headers)
    environ = {**builder.get_environ(), "REMOTE_ADDR": peer}
    iterable, status, _ = run_wsgi_app(app.wsgi_app, environ)
    return int(status[:3]), json.loads(b"".join(iterable))


@pytest.fixture
def post(app: Flask) -> Call:
    def send(path: str, body: object, key: str | None = KEY, peer: str = "203.0.113.5", **headers: str):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return call(app, "POST", path, body, headers, peer)

    return send


@pytest.fixture
def get(app: Flask) -> Call:
    def send(path: str, key: str | None = KEY):
        return call(app, "GET", path, b"", {"X-API-Key": key} if key else {}, "203.0.113.5")

    return send


@pytest.fixture
def last(app: Flask) -> Callable[[str], object]:
    """The data of the newest event of a canonical channel."""
    broker = app.extensions["mechamap"].runtime.broker

    def read(canonical: str) -> object:
        event = broker.history(canonical, None, 1).events[-1]
        return event.event, json.loads(event.payload)

    return read


@pytest.fixture
def narrow(monkeypatch) -> None:
    """Whatever the key, it is one for user 7 and public channels."""
    key = BroadcastKey("narrow", ("private-user.7", "user.7", "public.*"))
    monkeypatch.setattr(BroadcastKeyRing, "authenticate", lambda self, presented: key)


def test_the_driver_is_told_what_became_of_each_channel(post: Call, last):
    body = {**EVENT, "channels": [*EVENT["channels"], {"name": "nonsense.9"}, "presence-thread.1"]}
    status, answer = post(DRIVER, body)
    assert (status, answer["success"], answer["event"]) == (200, True, "comment.created")
    assert (answer["channelCount"], answer["totalSubscribers"], answer["duplicate"]) == (2, 0, False)
    assert answer["id"] and answer["epoch"] and answer["offset"]
    assert [(row["channel"], row["status"], row["subscriberCount"]) for row in answer["results"]] == [
        ("thread.1", "accepted", 0),
        ("private-user.7", "accepted", 0),
        ("nonsense.9", "rejected", 0),
        ("presence-thread.1", "accepted", 0),
    ]
    assert answer["results"][2]["code"] == "channel_unknown"
    assert last("thread:1") == last("user:7") == ("comment.created", {"type": "comment"})


def test_a_private_notification_is_withheld_from_roles_and_forums(post: Call, app: Flask):
    names = ["private-user.7", "private-notifications.role.supplier", "private-forum.3"]
    body = {"channels": names, "event": "notification.received", "data": {"id": 77}}
    _, answer = post(DRIVER, body)
    assert [row["status"] for row in answer["results"]] == ["accepted", "withheld", "withheld"]
    assert {row["code"] for row in answer["results"][1:]} == {"channel_withheld"}
    broker = app.extensions["mechamap"].runtime.broker
    assert not broker.history("role:supplier", None, 9).events
    assert not broker.history("forum:3", None, 9).events
    # and by the plan's own way, by which somebody may try it too
    status, answer = post(BROADCAST, {**body, "data": {"id": 78}})
    assert (status, answer["withheld"]) == (200, names[1:])
    status, answer = post(BROADCAST, {**body, "channels": names[1:]})
    assert (status, answer["code"]) == (422, "channel_withheld")
    text = app.extensions["mechamap"].metrics.render()[0].decode()
    # two by the driver, two by the plan's way, and one publication that was nobody's
    assert 'realtime_publications_total{code="channel_withheld"} 5.0' in text


def test_without_any_channel_that_exists_nothing_is_accepted(post: Call):
    status, answer = post(DRIVER, {**EVENT, "channels": [{"name": "x.1"}, {"name": "user.007"}]})
    assert (status, answer["code"], answer["field"]) == (422, "channel_unknown", "channels[0]")


@pytest.mark.parametrize("received_first", [False, True])
def test_a_row_announced_twice_is_delivered_once(post: Call, last, received_first: bool):
    row = 500 + received_first
    notification = {**NOTIFICATION, "data": {"id": row, "title": "x"}}
    received = {"channels": ["private-user.7"], "event": "notification.received", "data": {"id": row}}
    pair = [(DRIVER, received), (BROADCAST, notification)]
    first, second = pair if received_first else pair[::-1]
    _, told = post(*first)
    _, again = post(*second)
    assert (told["duplicate"], again["duplicate"], again["id"]) == (False, True, told["id"])
    assert last("user:7")[0] == first[1]["event"]
    # another user's row of the same number, another row, and what is not of the pair
    assert post(BROADCAST, {**notification, "user_id": 8, "channel": "user.8"})[1]["duplicate"] is False
    assert post(BROADCAST, {**notification, "data": {"id": row + 100}})[1]["duplicate"] is False
    plain = {"channel": "private-user.7", "event": "notification", "data": {"id": row}}
    assert post(BROADCAST, plain)[1]["duplicate"] is False


def test_a_notification_has_the_unread_count(post: Call, last):
    status, answer = post(BROADCAST, {**NOTIFICATION, "data": {"id": 900}})
    assert (status, answer["channel"], answer["event"]) == (200, "user.7", "notification")
    assert last("user:7") == ("notification", {"id": 900, "unread_count": 2})


def test_one_request_of_laravels_may_be_sent_again_and_may_hold_several(post: Call):
    def send(title: str) -> bool:
        return post(BROADCAST, {**NOTIFICATION, "data": {"title": title}})[1]["duplicate"]

    assert [send("a"), send("a"), send("b"), send("b")] == [False, True, False, True]


def test_what_is_sent_to_a_user_comes_under_its_type_and_as_a_notification(post: Call, last):
    body = {"action": "send_to_user", "user_id": 7, "data": {"type": "rating_liked"}}
    status, answer = post(NOTIFY, body)
    assert (status, answer["success"], answer["event"]) == (200, True, "rating_liked")
    assert [row["event"] for row in answer["results"]] == ["rating_liked", "notification"]
    assert last("user:7") == ("notification", {"type": "rating_liked"})
    again = [post(NOTIFY, body, Idempotency_Key="n-1")[1]["duplicate"] for _ in range(2)]
    assert again == [False, True]


def test_what_goes_to_a_channel_comes_under_its_type(post: Call, last):
    body = {
        "action": "broadcast_to_channel",
        "channel": "showcase.3",
        "data": {"type": "rated", "socket": "1.2"},
    }
    status, answer = post(NOTIFY, body)
    assert (status, answer["channel"], answer["event"]) == (200, "showcase.3", "rated")
    assert "results" not in answer
    assert last("showcase:3") == ("rated", {"type": "rated"})


def test_the_group_service_publishes_and_gives_orders(post: Call, last):
    body = {
        "action": "broadcast_to_channel",
        "channel": "group.5",
        "event": "member_left",
        "data": {"user_id": 7},
    }
    assert post(DRIVER, body)[0] == 200
    assert last("group:5") == ("member_left", {"user_id": 7})
    status, answer = post(DRIVER, JOIN)
    assert (status, answer["success"], answer["action"], answer["userId"]) == (200, True, "join_channel", 7)
    assert (answer["channel"], answer["connections"]) == ("group.5", 0)


def test_an_event_for_a_user_by_path(post: Call, last):
    status, answer = post("/api/broadcast/user/7", {"event": "e", "data": {"n": 1}})
    assert (status, answer["userId"], answer["event"], answer["subscriberCount"]) == (200, 7, "e", 0)
    assert last("user:7") == ("e", {"n": 1})
    status, answer = post("/api/broadcast/user/7x", {"event": "e", "data": {}})
    assert (status, answer["code"]) == (422, "user_id_invalid")
    # the path says who, whatever the body says
    assert (
        post("/api/broadcast/user/7", {"event": "e", "data": {}, "user_id": 8, "to": "x"})[1]["userId"] == 7
    )


def test_several_broadcasts_at_once(post: Call):
    entries = [{"channel": "public.a", "event": "e", "data": {}}, {**NOTIFICATION, "data": {"id": 1234}}]
    status, answer = post("/api/broadcast/multi", {"broadcasts": entries})
    assert (status, answer["success"]) == (200, True)
    assert [(row["channel"], row["event"]) for row in answer["results"]] == [
        ("public.a", "e"),
        ("user.7", "notification"),
    ]
    status, answer = post("/api/broadcast/multi", {"broadcasts": [entries[0], {"event": "e"}]})
    assert (status, answer["field"]) == (422, "broadcasts[1].channel")


def test_who_listens(get: Call, app: Flask, monkeypatch):
    status, answer = get("/api/channel-stats/group.5")
    assert (status, answer["channel"], answer["subscriberCount"], answer["userCount"]) == (
        200,
        "group.5",
        0,
        0,
    )
    status, answer = get("/api/channels/group.5")
    assert (status, answer["subscribers"]) == (200, [])
    broker = app.extensions["mechamap"].runtime.broker
    broker.subscribe("public:stats")
    try:
        status, answer = get("/api/channels/stats")
        assert (status, answer["success"], answer["stats"]["totalSubscriptions"]) == (200, True, 1)
        assert answer["stats"]["channels"] == [{"channel": "public.stats", "subscriberCount": 1}]
        assert answer["stats"]["connections"] == 0
    finally:
        broker.unsubscribe("public:stats")
    assert get("/api/channel-stats/nonsense")[1]["code"] == "channel_unknown"


def test_a_key_sees_and_reaches_its_scope_only(post: Call, get: Call, narrow, app: Flask):
    broker = app.extensions["mechamap"].runtime.broker
    broker.subscribe("admin:secret")
    try:
        stats = get("/api/channels/stats")[1]["stats"]
        assert (stats["channels"], "connections" in stats) == ([], False)
    finally:
        broker.unsubscribe("admin:secret")
    assert post("/api/broadcast/user/7", {"event": "e", "data": 1})[0] == 200
    for path, body in (
        (DRIVER, EVENT),
        (DRIVER, JOIN),
        (NOTIFY, {"action": "send_to_user", "user_id": 8, "data": {}}),
        ("/api/broadcast/user/8", {"event": "e", "data": 1}),
    ):
        status, answer = post(path, body)
        assert (status, answer["code"]) == (403, "key_scope"), path
    for path in ("/api/channel-stats/group.5", "/api/channels/group.5"):
        assert get(path)[1]["code"] == "key_scope"


PATHS = [
    (BROADCAST, NOTIFICATION),
    (DRIVER, EVENT),
    (DRIVER, JOIN),
    (NOTIFY, {"action": "send_to_user", "user_id": 7, "data": {}}),
    ("/api/broadcast/multi", {"broadcasts": [NOTIFICATION]}),
    ("/api/broadcast/user/7", {"event": "e", "data": 1}),
]


@pytest.mark.parametrize(("path", "body"), PATHS)
def test_nobody_publishes_with_a_wrong_key_or_a_persons_token(
    post: Call, app: Flask, path: str, body: object
):
    now = int(time.time())
    secret = app.extensions["mechamap"].settings.jwt_secret
    person = jwt.encode({"userId": 1, "role": "super_admin", "iat": now, "exp": now + 60}, secret)
    for key in ("wrong", person, "5|" + "x" * 48):
        for peer in ("203.0.113.5", "127.0.0.1"):
            status, answer = post(path, body, key, peer)
            assert (status, answer["code"]) == (401, "key_invalid")
    for peer in ("203.0.113.5", "127.0.0.1"):
        # as PHP sends it whose secret is not configured
        status, answer = post(path, body, None, peer, Authorization="Bearer ")
        assert (status, answer["code"]) == (401, "key_missing")


@pytest.mark.parametrize(("path", "body"), [pair for pair in PATHS if pair[1] is not EVENT])
def test_this_machine_needs_a_key_for_all_but_the_drivers_events(post: Call, path: str, body: object):
    status, answer = post(path, body, None, "127.0.0.1")
    assert (status, answer["code"]) == (401, "key_missing")


def test_the_driver_needs_no_key_on_this_machine_alone(post: Call, last):
    status, answer = post(DRIVER, {**EVENT, "data": {"n": 41}}, None, "127.0.0.1")
    assert (status, answer["success"]) == (200, True)
    assert last("thread:1") == ("comment.created", {"n": 41})
    for peer, headers in (
        ("203.0.113.5", {}),
        ("127.0.0.1", {"X_Forwarded_For": "203.0.113.5"}),
        ("127.0.0.1", {"X_Forwarded_For": "127.0.0.1"}),
        ("127.0.0.1", {"X_Real_IP": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"Origin": "https://evil.example"}),
        ("203.0.113.5", {"X_Forwarded_For": "127.0.0.1"}),
    ):
        status, answer = post(DRIVER, {**EVENT, "data": {"n": 42}}, None, peer, **headers)
        assert (status, answer["code"]) == (401, "driver_untrusted"), (peer, headers)
    assert last("thread:1") == ("comment.created", {"n": 41})


def test_a_broker_that_is_away_is_not_success(post: Call, app: Flask, monkeypatch):
    def away(publication):
        raise BrokerUnavailable("Redis is away.")

    broker = app.extensions["mechamap"].runtime.broker
    monkeypatch.setattr(broker, "publish", away)
    monkeypatch.setattr(broker, "command", away)
    for path, body in PATHS:
        status, answer = post(path, body)
        assert (status, answer["code"], answer["success"]) == (503, "broker_unavailable", False), path


@pytest.mark.parametrize("path", [DRIVER, NOTIFY, BROADCAST, "/api/broadcast/multi", "/api/broadcast/user/7"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"[" * 9000, b'{"a":NaN}']
)
def test_what_is_no_object_is_told_so(post: Call, path: str, body: bytes):
    status, answer = post(path, body)
    assert (status, answer["code"]) == (400, "invalid_request")


def test_too_much_is_refused_before_it_is_published(post: Call):
    for path, body in (
        (DRIVER, {**EVENT, "data": {"x": "y" * 120_000}}),
        (NOTIFY, {"action": "send_to_user", "user_id": 7, "data": {"x": "y" * 120_000}}),
    ):
        status, answer = post(path, body)
        assert (status, answer["code"], answer["field"]) == (413, "payload_too_large", "data")


FIELDS = st.sampled_from(
    [
        *("channel", "channels", "event", "data", "user_id", "to", "thread_id", "metadata", "request_id"),
        *("action", "socket", "timestamp", "id", "name", "type", "unread_count", "broadcasts"),
    ]
)
WORDS = st.sampled_from(
    ["private-user.7", "group.5", "user", "join_channel", "send_to_user", "notification.received"]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | st.text(max_size=4) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=10,
)


@given(path=st.sampled_from([path for path, _ in PATHS]), body=st.dictionaries(FIELDS, VALUES, max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_hostile_bodies_are_refused_or_accepted_and_never_a_defect(app: Flask, path: str, body: dict):
    status, answer = call(app, "POST", path, body, {"X-API-Key": KEY}, "203.0.113.5")
    assert status in (200, 409, 413, 422, 429), answer
    assert answer["success"] is (status == 200)
