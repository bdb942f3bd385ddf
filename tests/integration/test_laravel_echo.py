"""Laravel Echo's Socket.IO connector, as pages load it from npm, on two workers; Laravel speaks by its redis
driver and by HTTP."""

import json
from collections.abc import Callable

import pytest

from tests.pusher.conftest import APP, Caller
from tests.services.application import Application
from tests.services.echo_page import EchoPage
from tests.services.processes import wait_until

from .conftest import Site, settings, token
from .test_cluster import slot_of

VERSIONS = ("2.0", "2.5")
PREFIX = "laravel_database_"
NOTIFICATION = r"Illuminate\Notifications\Events\BroadcastNotificationCreated"
NAMES = {1: "Anna", 2: "Binh", 3: "Chi", 4: "Dung", 6: "Guest"}
OWN = "private-user.2"
THREAD = "presence-thread.10"
GRACE = 0.5


@pytest.fixture(scope="module")
def server(serve_module, lasting_redis, plan_url) -> Application:
    started = serve_module(
        settings(
            REDIS_URL=lasting_redis.url,
            WEB_CONCURRENCY="2",
            LARAVEL_REDIS_URL=lasting_redis.url,
            LARAVEL_REDIS_PREFIX=PREFIX,
            LARAVEL_DATABASE_URL=plan_url,
            PRESENCE_GRACE_SECONDS=str(GRACE),
            **APP,
        )
    )
    wait_until(
        lambda: lasting_redis.client().publish(f"{PREFIX}probe", "") == 1, "a worker to hear Laravel", 10
    )
    return started


@pytest.fixture
def page(echo_page) -> Callable[..., EchoPage]:
    """Opens pages of signed-in users."""

    def open_page(version: str = "2.5", user_id: int = 2, **options) -> EchoPage:
        auth = {"headers": {"Authorization": f"Bearer {token(user_id)}"}}
        page = echo_page(**{"echo": version, "auth": auth, **options})
        page.wait_for("connected")
        return page

    return open_page


@pytest.fixture
def laravel(lasting_redis) -> Callable[..., None]:
    """Broadcast as Laravel's redis driver does."""

    def broadcast(event: str, data: object, *channels: str, socket: str | None = None) -> None:
        body = json.dumps({"event": event, "data": data, "socket": socket})
        for channel in channels:
            assert lasting_redis.client().publish(PREFIX + channel, body) == 1

    return broadcast


def has(page: EchoPage, channel: str) -> EchoPage:
    """Wait until the page has the channel. Echo passes the event over."""
    while page.wait_for("subscribed")[0]["channel"] != channel:
        pass
    return page


def elsewhere(open_page: Callable[[], EchoPage], page: EchoPage) -> EchoPage:
    """A page on the other worker."""
    while slot_of(other := open_page()) == slot_of(page):
        other.close()
    return other


def cut_off(page: EchoPage, meanwhile: Callable[[], object] = lambda: None) -> None:
    page.drop()
    page.wait_for("disconnect")
    meanwhile()
    page.wait_for("connect")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_events_reach_the_listeners_of_their_channel(page, laravel, version, transports):
    echo = page(version, transports=transports)
    echo.listen("private", "user.2", "OrderShipped", ".raw.name")
    echo.listen("channel", "public.news", "OrderShipped", ".text")
    has(has(echo, OWN), "public.news")
    laravel(r"App\Events\OrderShipped", {"id": 5, "title": "Xin chào"}, OWN)
    laravel("raw.name", {"id": 6}, OWN)
    laravel(r"App\Events\OrderShipped", {"id": 7}, "public.news")
    laravel("text", "just text", "public.news")
    assert echo.hears("public.news", ".text") == "just text"
    assert echo.heard(OWN, "OrderShipped") == [{"id": 5, "title": "Xin chào"}]
    assert echo.heard(OWN, ".raw.name") == [{"id": 6}]
    assert echo.heard("public.news", "OrderShipped") == [{"id": 7}]


@pytest.mark.parametrize("version", VERSIONS)
def test_notifications_reach_the_own_channel(page, laravel, version):
    echo = page(version)
    echo.listen_for_notifications("user.2")
    has(echo, OWN)
    laravel(NOTIFICATION, {"id": "u-u-i-d", "type": r"App\Notifications\InvoicePaid"}, OWN)
    assert echo.hears(OWN, "notification")["id"] == "u-u-i-d"


def test_pages_of_both_kinds_hear_each_event_in_their_own_way(site, page):
    echo, plan = page(), site.browser(2)
    echo.listen("channel", "public.both", ".news")
    has(echo, "public.both")
    plan.emit_ack("subscribe", {"channel": "public.both"})
    assert site.broadcast("public.both", "news", {"n": 1}).json()["subscriberCount"] == 2
    assert echo.hears("public.both", ".news") == {"n": 1}
    [name, data, position] = echo.events("news")[0]
    assert (name, data) == ("public.both", {"n": 1})
    assert plan.wait_for("news") == [{"n": 1}, position]
    assert len(plan.events("news")) == len(echo.events("news")) == 1


def test_an_event_of_several_channels_reaches_the_listeners_of_each(site, page):
    echo = page()
    echo.listen("private", "user.2", ".both")
    echo.listen("channel", "public.twice", ".both")
    has(has(echo, OWN), "public.twice")
    body = {"channels": [OWN, "public.twice", "public.other"], "event": "both", "data": {"n": 1}}
    site.server.post(
        "/api/broadcast", body, headers={"Authorization": f"Bearer {settings()['WEBSOCKET_API_KEY']}"}
    )
    assert echo.hears("public.twice", ".both") == {"n": 1}
    assert echo.heard(OWN, ".both") == [{"n": 1}]
    positions = [args[-1] for args in echo.events("both")]
    assert [int(text.partition(".")[2]) for text in positions] == sorted(
        {offset := int(positions[-1].partition(".")[2]), offset - 1}
    )


def test_a_token_in_its_own_place_makes_a_page_of_the_plan_until_echo_subscribes(site, page):
    both = {"token": token(2), "headers": {}}
    echo = page(auth=both)
    site.broadcast(OWN, "plain", 1)
    assert echo.wait_for("plain")[0] == 1
    echo.listen("private", "user.2", ".named")
    has(has(echo, OWN), OWN)
    site.broadcast(OWN, "named", 2)
    assert echo.hears(OWN, ".named") == 2
    assert [args[:2] for args in echo.events("named")] == [[OWN, 2]]


@pytest.mark.parametrize("version", VERSIONS)
def test_members_are_told_as_echo_wants_it(site, page, version):
    wait_until(lambda: members(site) == 0, "the thread to be empty", GRACE + 3)
    anna = page(version, user_id=1)
    anna.join("thread.10")
    assert anna.hears(THREAD, "here") == [{"id": 1, "name": "Anna"}]
    binh = elsewhere(lambda: page(version), anna)
    binh.join("thread.10")
    assert binh.hears(THREAD, "here") == [{"id": 1, "name": "Anna"}, {"id": 2, "name": "Binh"}]
    assert anna.hears(THREAD, "joining") == {"id": 2, "name": "Binh"}
    binh.leave("thread.10")
    assert anna.hears(THREAD, "leaving") == {"id": 2, "name": "Binh"}


def members(site: Site) -> int:
    key = {"Authorization": f"Bearer {settings()['WEBSOCKET_API_KEY']}"}
    return site.server.get(f"/api/channels/{THREAD}/members", headers=key).json()["total"]


@pytest.mark.parametrize("version", VERSIONS)
def test_whispers_reach_everybody_else_on_every_worker(site, page, version):
    speaker = page(version)
    here, there, plan = (
        page(version, user_id=3),
        elsewhere(lambda: page(version, user_id=3), speaker),
        site.browser(3),
    )
    for each in (speaker, here, there):
        each.listen_for_whispers("join", "thread.10", "typing")
        has(each, THREAD)
    plan.emit_ack("subscribe", {"channel": THREAD})
    speaker.whisper("join", "thread.10", "typing", {"name": "Binh"})
    for each in (here, there):
        assert each.hears(THREAD, "whisper typing") == {"name": "Binh"}
    assert plan.wait_for("client-typing")[0] == {"name": "Binh"}
    site.broadcast(THREAD, "end", 0)
    speaker.wait_for("end")
    assert speaker.events("client-typing") == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"channel": OWN, "event": "typing", "data": 1}, "whisper_event"),
        ({"channel": OWN, "event": "subscribed", "data": 1}, "event_reserved"),
        ({"channel": OWN, "data": 1}, "event_required"),
        ({"channel": "public.whispers", "event": "client-typing"}, "whisper_channel"),
        ({"channel": "private-user.3", "event": "client-typing"}, "not_subscribed"),
        ({"channel": "private-user.x", "event": "client-typing"}, "channel_unknown"),
        ({"channel": OWN, "event": "client-typing", "data": "x" * 10_240}, "payload_too_large"),
        ("rubbish", "event_required"),
    ],
)
def test_other_whispers_are_refused(site, body, code):
    browser = site.browser(2)
    browser.emit_ack("subscribe", {"channel": "public.whispers"})
    assert browser.emit_ack("client event", body)["code"] == code
    assert browser.wait_for("error")[0]["code"] == code


def test_who_whispers_too_much_is_told_so(site):
    browser = site.browser(2)
    body = {"channel": OWN, "event": "client-x", "data": 1}
    browser.emit_many([["client event", body]] * 11)
    refused = browser.wait_for("error")[0]
    assert (refused["code"], refused["retryAfter"]) == ("rate_limited", 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whisper_is_for_those_who_are_there(site, page, version):
    speaker, listener, witness = page(version), page(version, user_id=3), page(version, user_id=4)
    for each in (speaker, listener, witness):
        each.listen_for_whispers("join", "thread.10", "typing")
        each.listen("join", "thread.10", ".kept")
        has(each, THREAD)
    site.broadcast(THREAD, "kept", 1)
    listener.hears(THREAD, ".kept")

    def meanwhile() -> None:
        speaker.whisper("join", "thread.10", "typing", 1)
        assert witness.hears(THREAD, "whisper typing") == 1
        site.broadcast(THREAD, "kept", 2)

    cut_off(listener, meanwhile)
    assert listener.hears(THREAD, ".kept") == 2
    assert listener.recovered()
    assert listener.heard(THREAD, "whisper typing") == []
    # Members come and go between them, those of other tests too.
    spoken = [event for event in history(site) if event["event"] in ("kept", "client-typing")]
    assert [event["data"] for event in spoken[-2:]] == [1, 2]


def history(site: Site) -> list[dict]:
    """The events of the thread that are kept, oldest first."""
    key = {"Authorization": f"Bearer {settings()['WEBSOCKET_API_KEY']}"}
    return site.server.get(f"/api/channels/{THREAD}/history?limit=100", headers=key).json()["events"]


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals_have_a_status(page, version):
    echo = page(version)
    echo.listen("private", "user.3", ".news")
    channel, status, why = echo.wait_for("subscription_error")
    assert (channel, status, why["code"]) == ("private-user.3", 403, "not_owner")
    echo.listen("channel", "nowhere", ".news")
    channel, status, why = echo.wait_for("subscription_error")
    assert (channel, status, why["code"]) == ("nowhere", 403, "channel_unknown")


def by_pusher(site: Site, data: object, socket: str | None) -> None:
    """As Laravel's `pusher` and `reverb` drivers do."""
    body = {"name": "typed", "channels": ["public.others"], "data": json.dumps(data), "socket_id": socket}
    answer = Caller(site.server.request)("POST", "{app}/events", {k: v for k, v in body.items() if v})
    assert (answer.status, answer.json()) == (200, {})


@pytest.mark.parametrize("driver", ["redis", "pusher"])
def test_to_others_leaves_the_asking_page_out(site, page, laravel, driver):
    asking = page()
    other = elsewhere(page, asking)
    for each in (asking, other):
        each.listen("channel", "public.others", ".typed", ".end")
        has(each, "public.others")
    if driver == "redis":
        laravel("typed", {"n": 1}, "public.others", socket=asking.socket_id())
    else:
        by_pusher(site, {"n": 1}, asking.socket_id())
    laravel("end", 0, "public.others")
    for each in (asking, other):
        each.hears("public.others", ".end")
    assert other.heard("public.others", ".typed") == [{"n": 1}]
    assert asking.heard("public.others", ".typed") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_that_was_cut_off_gets_what_it_missed_by_its_listeners(site, page, version):
    """Echo 2.0 does not subscribe again (laravel/echo#295); 2.5 does, which is once."""
    echo = page(version)
    echo.listen("channel", "public.missed", ".n", ".end")
    echo.listen("private", "user.2", ".n")
    has(has(echo, OWN), "public.missed")

    def meanwhile() -> None:
        for number in range(3):
            site.broadcast("public.missed", "n", number)
        site.broadcast(OWN, "n", "text")

    for turn in (1, 2):
        cut_off(echo, meanwhile)
        assert echo.hears(OWN, ".n") == "text"
        assert echo.recovered()
        site.broadcast("public.missed", "n", 3)
        site.broadcast("public.missed", "end", turn)
        assert echo.hears("public.missed", ".end") == turn
    assert echo.heard("public.missed", ".n") == [0, 1, 2, 3] * 2
    assert echo.heard(OWN, ".n") == ["text"] * 2


def test_unsubscribing_ends_it(site, page):
    echo = page()
    echo.listen("channel", "public.left", ".news")
    has(echo, "public.left")
    echo.leave("public.left")
    echo.wait_for("unsubscribed")
    assert site.broadcast("public.left", "news", 1).json()["subscriberCount"] == 0
    site.broadcast(OWN, "end", 0)
    echo.wait_for("end")
    assert echo.events("news") == []


def test_a_page_without_a_token_is_refused(site, node_driver):
    stranger = EchoPage(node_driver)
    error = stranger.connect_error(site.server.url, echo="2.5", auth={"headers": {"X-CSRF-TOKEN": "x"}})
    stranger.close()
    assert error["message"].startswith("Authentication failed")


def test_whatever_stands_where_echo_has_its_headers_is_answered(site):
    browser = site.browser(2)
    for number, auth in enumerate(
        [None, {}, [], "key:signature", 7, True, {"headers": None}, {"headers": [1]}]
    ):
        told = browser.emit_ack("subscribe", {"channel": f"public.odd{number}", "auth": auth})
        assert told["status"] == "success"
    for body in (
        None,
        7,
        "x",
        [],
        {"channel": []},
        {"channel": OWN, "event": {}},
        {"channel": {}, "event": "client-x"},
    ):
        assert {"code", "error", "message"} <= browser.emit_ack("client event", body).keys()
    assert browser.emit_ack("ping")["timestamp"]


@pytest.mark.parametrize(
    "headers", [None, [], "Bearer x", {"Authorization": ["x"]}, {"Authorization": "Bearer"}]
)
def test_whatever_stands_there_at_the_start_is_no_token(site, headers):
    assert site.refusal(auth={"headers": headers})["data"]["code"] == "token_missing"
