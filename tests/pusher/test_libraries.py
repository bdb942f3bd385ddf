"""Pusher's own libraries for Node and Python, and PHP as Laravel's driver does it, against the server."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pusher
import pytest
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherForbidden

from mechamap.domain.pusher_signature import AppKey, webhook_headers
from tests.services.node import NodeProcess
from tests.services.processes import ROOT, clean_environment, program, wait_until

from .conftest import APP, MOUNT, Place

ID, KEY, SECRET = APP.values()
THREAD = "presence-thread.10"


@pytest.fixture(scope="module")
def node_process() -> Iterator[NodeProcess]:
    process = NodeProcess("pusher.mjs")
    yield process
    process.end()


@pytest.fixture
def node(node_process: NodeProcess, place: Place) -> Callable[..., Any]:
    """Calls a method of the Node library; ``{status, body}``."""
    options = {
        "appId": ID, "key": KEY, "secret": SECRET, "useTLS": False,
        "host": "127.0.0.1", "port": str(place.server.port),
    }  # fmt: skip

    def call(command: str, *args: Any, **changed: str) -> Any:
        return node_process.call(command, options={**options, **changed}, args=args)

    return call


@pytest.fixture
def python(place: Place) -> pusher.Pusher:
    return python_client(place)


def python_client(place: Place, **changed: str) -> pusher.Pusher:
    given = {"app_id": ID, "key": KEY, "secret": SECRET, **changed}
    return pusher.Pusher(**given, ssl=False, host="127.0.0.1", port=place.server.port)


def php(place: Place, channels: list[str], payload: Any, **changed: Any) -> list[str]:
    """What Laravel is answered for one broadcast."""
    call = {
        "base": place.server.url, "path": "", "app": ID, "key": KEY, "secret": SECRET, "channels": channels,
        "event": "App\\Events\\NotificationSent", "payload": payload, "socket": None, **changed,
    }  # fmt: skip
    script = [program("php"), str(ROOT / "tests" / "pusher" / "laravel.php")]
    done = subprocess.run(
        script, input=json.dumps(call), env=clean_environment(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


OK = {"status": 200, "body": "{}"}


class TestNode:
    def test_an_event_to_one_channel_to_several_and_to_a_user(self, node, browser):
        assert node("trigger", "public.news", "news", {"n": 1}) == OK
        assert node("trigger", ["public.news", "public.other"], "news", {"title": "Xin chào +/%&="}) == OK
        assert node("sendToUser", "2", "news", {"n": 3}) == OK
        received = [arguments[0] for arguments in browser.wait_for_many("news", 3)]
        assert received == [{"n": 1}, {"title": "Xin chào +/%&="}, {"n": 3}]

    def test_its_sender_is_left_out_and_counts_come_back(self, node, browser):
        params = {"socket_id": browser.id, "info": "subscription_count"}
        answer = node("trigger", "public.news", "news", {}, params)
        assert json.loads(answer["body"]) == {"channels": {"public.news": {"subscription_count": 1}}}
        assert node("trigger", "public.news", "last", {}) == OK
        browser.wait_for("last")
        assert browser.events("news") == []

    def test_a_batch(self, node, browser):
        events = [{"channel": "public.news", "name": "news", "data": {"n": n}} for n in range(3)]
        assert node("triggerBatch", events) == OK
        assert [arguments[0]["n"] for arguments in browser.wait_for_many("news", 3)] == [0, 1, 2]

    def test_reading(self, node, browser):
        listed = node("get", {"path": "/channels", "params": {"info": "subscription_count"}})
        assert json.loads(listed["body"])["channels"]["public.news"] == {"subscription_count": 1}
        users = node("get", {"path": f"/channels/{THREAD}/users", "params": {}})
        assert json.loads(users["body"]) == {"users": []}
        assert node("get", {"path": "/channels/public.news/users", "params": {}})["status"] == 400

    def test_a_user_is_sent_away(self, node, browser):
        assert node("terminateUserConnections", "2") == OK
        assert browser.wait_for("force_disconnect")[0]["code"] == "terminated"

    def test_a_wrong_secret(self, node):
        answer = node("trigger", "public.news", "news", {}, secret="wrong")
        assert answer["status"] == 401 and "Invalid signature" in answer["body"]

    def test_it_takes_our_webhooks_for_pushers(self, node):
        body = '{"time_ms":1,"events":[{"name":"channel_occupied","channel":"public.x"}]}'
        headers = webhook_headers(AppKey(KEY, SECRET), body.encode())
        lower = {name.lower(): value for name, value in headers.items()}
        assert node("webhook", lower, body) is True
        assert node("webhook", lower, body + " ") is False


class TestPython:
    def test_an_event_a_batch_and_its_sender(self, python, browser):
        assert python.trigger(["public.news", "public.other"], "news", {"title": "Xin chào"}) == {}
        assert python.trigger("public.news", "news", "mine", browser.id) == {}
        batch = [{"channel": "public.news", "name": "news", "data": {"n": n}} for n in range(2)]
        assert python.trigger_batch(batch) == {}
        received = [arguments[0] for arguments in browser.wait_for_many("news", 3)]
        assert received == [{"title": "Xin chào"}, {"n": 0}, {"n": 1}]

    def test_reading(self, place, python, browser):
        assert python.channels_info("public.", ["subscription_count"])["channels"] == {
            "public.news": {"subscription_count": 1}
        }
        assert python.channel_info("public.news") == {"occupied": True}
        assert python.users_info(THREAD) == {"users": []}
        with pytest.raises(PusherBadRequest, match="user count"):
            python.channels_info("public.", ["user_count"])

    def test_a_user_is_sent_away(self, python, browser):
        assert python.terminate_user_connections("2") == {}
        assert browser.wait_for("force_disconnect")[0]["code"] == "terminated"

    def test_refusals_are_those_it_knows(self, place):
        with pytest.raises(PusherBadAuth, match="Invalid signature"):
            python_client(place, secret="wrong").trigger("public.news", "news", {})
        with pytest.raises(PusherBadRequest, match="channel"):
            python_client(place).trigger("nope", "news", {})
        record, pair = place.apps.create("python-off", "test")
        place.apps.switch("python-off", enabled=False)
        client = python_client(place, app_id=record.app_id, key=pair.key, secret=pair.secret)

        def disabled() -> bool:
            try:
                client.trigger("public.news", "news", {})
            except PusherForbidden:
                return True
            return False

        wait_until(disabled, "the app to be off", 5)

    def test_it_takes_our_webhooks_for_pushers(self, python):
        body = b'{"time_ms":%d,"events":[]}' % int(time.time() * 1000)
        headers = webhook_headers(AppKey(KEY, SECRET), body)
        found = python.validate_webhook(headers["X-Pusher-Key"], headers["X-Pusher-Signature"], body.decode())
        assert found == json.loads(body)


class TestPhp:
    def test_a_broadcast(self, place, browser):
        payload = {"title": "Xin chào / hi", "float": 1.0, "empty": []}
        assert php(place, ["private-user.2", "public.news"], payload) == ["200 {}"]
        received = browser.wait_for("App\\Events\\NotificationSent")[0]
        assert received == {"title": "Xin chào / hi", "float": 1, "empty": []}

    def test_over_a_hundred_channels_to_others_under_the_option_path(self, place, browser):
        channels = [f"public.{number}" for number in range(100)] + ["public.news"]
        given = {"socket": browser.id, "path": MOUNT}
        assert php(place, channels, {}, **given) == ["200 {}", "200 {}"]
        assert php(place, ["public.news"], {"n": 2}) == ["200 {}"]
        assert browser.wait_for("App\\Events\\NotificationSent")[0] == {"n": 2}

    def test_a_wrong_secret(self, place):
        [answer] = php(place, ["public.news"], {}, secret="wrong")
        assert answer.startswith("401 ") and "Invalid signature" in answer
