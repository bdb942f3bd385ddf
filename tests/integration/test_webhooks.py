"""Webhooks of the whole server on two workers: what Laravel is told, once each, whichever worker dies."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pusher
import pytest

from tests.cli.conftest import running_here
from tests.pusher.conftest import APP
from tests.services.browser_client import BrowserClient
from tests.services.laravel_api import Asked, LaravelApi, says
from tests.services.node import NodeProcess
from tests.services.processes import wait_until

from .conftest import Site, plan_database, settings
from .test_cluster import WEBSOCKET, on_both_workers, slot_of

THREAD, OTHER_THREAD = "presence-thread.10", "presence-thread.20"
ID, KEY, SECRET = APP.values()
ALL = "channel_occupied,channel_vacated,member_added,member_removed,client_event"


class Receiver(LaravelApi):
    """Laravel's route for webhooks; ``taken`` are the requests that it answered with 204."""

    def reset(self) -> None:
        self.asked.clear()
        self.taken: list[Asked] = []
        self.status = 204
        self.behaviour = self.answer

    def answer(self, connection, asked: Asked) -> None:
        if self.status == 204:
            self.taken.append(asked)
        says(b"", self.status)(connection, asked)

    def told(self, *about: str) -> list[dict]:
        """The events it took, of these channels."""
        events = [event for asked in self.taken for event in asked.json()["events"]]
        return [event for event in events if event["channel"] in about]

    def names(self, channel: str) -> list[str]:
        return [event["name"] for event in self.told(channel)]

    def hears(self, channel: str, *names: str, timeout: float = 10.0) -> None:
        """Wait until exactly these events of the channel were told, in this order."""
        wait_until(
            lambda: len(self.names(channel)) >= len(names), f"{names}; told {self.names(channel)}", timeout
        )
        assert self.names(channel) == list(names)


@pytest.fixture(scope="module")
def serving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.reset()
    with receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(serve_module, serving, lasting_redis, tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    given = settings(
        REDIS_URL=lasting_redis.url,
        WEB_CONCURRENCY="2",
        DATABASE_URL=f"sqlite:///{directory / 'own.sqlite'}",
        LARAVEL_DATABASE_URL=plan_database(directory / "laravel.sqlite"),
        PRESENCE_GRACE_SECONDS="0.5",
        RATE_LIMITS="off",
        WEBHOOK_URL=f"{serving.url}/webhooks/realtime",
        WEBHOOK_EVENTS=ALL,
        **APP,
    )
    with running_here({**given, "INSTANCE_PATH": str(directory)}) as runner:
        runner.flask("db", "upgrade").succeeded()
    return serve_module(given)


@pytest.fixture
def laravel(serving) -> Receiver:
    serving.reset()
    return serving


@pytest.fixture
def site(server, laravel, node_client) -> Site:
    return Site(server, node_client)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    process = NodeProcess("pusher.mjs")
    yield process
    process.end()


def join(browser, channel: str) -> None:
    assert browser.emit_ack("subscribe", {"channel": channel})["status"] == "success"


def leave(browser, channel: str) -> None:
    browser.emit_ack("unsubscribe", {"channel": channel})


def readiness(site: Site) -> dict:
    return site.server.get("/health/ready").json()["checks"]["webhooks"]


def test_many_pages_on_two_workers_make_one_of_each_event(site, laravel):
    tabs = on_both_workers(site)
    for tab in tabs:
        join(tab, "public.one")
        join(tab, THREAD)
    laravel.hears("public.one", "channel_occupied")
    wait_until(lambda: len(laravel.names(THREAD)) == 2, "the thread's events")
    for tab in tabs[1:]:
        leave(tab, THREAD)
        tab.disconnect()
    assert tabs[0].emit_ack("client event", {"channel": THREAD, "event": "client-typing", "data": {"é": 1}})
    wait_until(lambda: "client_event" in laravel.names(THREAD), "the whisper")
    leave(tabs[0], THREAD)
    leave(tabs[0], "public.one")
    laravel.hears("public.one", "channel_occupied", "channel_vacated")
    wait_until(lambda: "channel_vacated" in laravel.names(THREAD), "the thread's end")
    told = laravel.told(THREAD)
    assert Counter(event["name"] for event in told) == dict.fromkeys(ALL.split(","), 1)
    by_name = {event["name"]: event for event in told}
    assert by_name["member_added"] == {"name": "member_added", "channel": THREAD, "user_id": "2"}
    assert by_name["member_removed"] == {"name": "member_removed", "channel": THREAD, "user_id": "2"}
    assert by_name["client_event"] == {
        "name": "client_event", "channel": THREAD, "event": "client-typing", "data": '{"é":1}',
        "socket_id": tabs[0].id, "user_id": "2",
    }  # fmt: skip
    order = [event["name"] for event in told]
    assert order.index("member_added") < order.index("client_event") < order.index("member_removed")
    assert laravel.names("private-user.2") == ["channel_occupied"]


def test_pushers_own_libraries_take_them_for_pushers(site, laravel, node):
    join(site.browser(3, **WEBSOCKET), "public.signed")
    laravel.hears("public.signed", "channel_occupied")
    asked = laravel.taken[-1]
    assert asked.path == "/webhooks/realtime" and asked.headers["content-type"] == "application/json"
    body, key, signature = (
        asked.body.decode(),
        *(asked.headers[f"x-pusher-{n}"] for n in ("key", "signature")),
    )
    assert key == KEY and len(asked.headers["webhook-id"]) == 32
    library = pusher.Pusher(app_id=ID, key=KEY, secret=SECRET)
    assert library.validate_webhook(key, signature, body) == json.loads(body)
    assert library.validate_webhook(key, signature, body + " ") is None
    options = {"appId": ID, "key": KEY, "secret": SECRET}
    names = ("content-type", "x-pusher-key", "x-pusher-signature")
    headers = {name: asked.headers[name] for name in names}
    assert node.call("webhook", options=options, args=[headers, body]) is True
    assert node.call("webhook", options=options, args=[headers, body + " "]) is False


def test_a_receiver_that_fails_gets_everything_later_in_order_and_health_says_so(site, laravel):
    browser = site.browser(4, **WEBSOCKET)
    join(browser, THREAD)
    wait_until(lambda: len(laravel.names(THREAD)) == 2, "the thread's events")
    laravel.status = 500
    whispers = [f"client-{number}" for number in range(20)]
    for event in whispers:
        answer = browser.emit_ack("client event", {"channel": THREAD, "event": event, "data": 0})
        assert answer["status"] == "success"  # nobody here waits for Laravel
    wait_until(lambda: "webhook_status_5xx" in readiness(site)["detail"], "health to say so")
    assert site.server.get("/health/ready").status == 200
    laravel.status = 204
    wait_until(lambda: len(laravel.names(THREAD)) == 22, "all whispers")
    assert [event["event"] for event in laravel.told(THREAD) if "event" in event] == whispers
    wait_until(lambda: readiness(site)["ok"], "health to be well again")


def test_a_killed_leader_loses_nothing_and_repeats_nothing(site, laravel, lasting_redis):
    def leader() -> int:
        return int(lasting_redis.client().get("mechamap:{rt}:webhooks-leader").split(".")[-2])

    by_worker: dict[str, BrowserClient] = {}
    while len(by_worker) < 2:  # they do not come back by themselves
        browser = site.browser(1, **WEBSOCKET, reconnection=False)
        by_worker.setdefault(slot_of(browser), browser)
    pages = list(by_worker.values())
    for page, channel in zip(pages, ("public.only0", "public.only1"), strict=True):
        join(page, "public.stays")
        join(page, channel)
        laravel.hears(channel, "channel_occupied")
    laravel.status = 500
    for page in pages:
        join(page, OTHER_THREAD)
    wait_until(lambda: b"member_added" in laravel.asked[-1].body, "an attempt")
    killed = leader()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not all(page.connected() for page in pages), "a browser to notice")
    [alive] = [page for page in pages if page.connected()]
    join(alive, "public.meanwhile")
    laravel.status = 204
    gone = f"public.only{1 - pages.index(alive)}"
    laravel.hears("public.meanwhile", "channel_occupied", timeout=20)
    laravel.hears(gone, "channel_occupied", "channel_vacated", timeout=20)
    assert leader() != killed
    assert Counter(laravel.names(OTHER_THREAD)) == {"channel_occupied": 1, "member_added": 1}
    assert laravel.names("public.stays") == ["channel_occupied"]


def test_the_only_worker_tells_without_redis(serve, node_client, tmp_path):
    laravel = Receiver()
    laravel.reset()
    laravel.start()
    server = serve(
        settings(
            LARAVEL_DATABASE_URL=plan_database(tmp_path / "laravel.sqlite"),
            WEBHOOK_URL=laravel.url,
            WEBHOOK_EVENTS="member_added,channel_occupied",
            **APP,
        )
    )
    page = Site(server, node_client).browser(2, **WEBSOCKET)
    join(page, THREAD)
    join(page, "public.alone")
    laravel.hears("public.alone", "channel_occupied")
    assert sorted(laravel.names(THREAD)) == ["channel_occupied", "member_added"]
    laravel.stop()
