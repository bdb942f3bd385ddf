"""Who may call: signatures, clocks, keys, apps, mounts."""

import time

import pytest

from mechamap.domain.pusher_signature import AppKey
from tests.integration.conftest import KEY, token
from tests.services.processes import wait_until

from .conftest import MOUNT, Place, refused

CALLS = [
    ("POST", "{app}/events", {"name": "news", "channel": "public.x", "data": "{}"}),
    ("POST", "{app}/batch_events", {"batch": [{"name": "news", "channel": "public.x", "data": "{}"}]}),
    ("GET", "{app}/channels", None),
    ("GET", "{app}/channels/public.x", None),
    ("GET", "{app}/channels/presence-thread.10/users", None),
    ("POST", "{app}/users/99/terminate_connections", {}),
    ("POST", "/users/99/terminate_connections", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_every_call_needs_a_signature_that_is_right(place: Place, method, path, body):
    assert place.call(method, path, body).status == 200
    wrong = place.call(method, path, body, changed={"auth_signature": "0" * 64})
    assert "Invalid signature" in refused(wrong, 401, "signature_invalid")["error"]
    missing = place.call(method, path, body, changed={"auth_signature": None})
    refused(missing, 401, "signature_missing")
    late = place.call(method, path, body, query={"auth_timestamp": str(int(time.time()) - 700)})
    assert "Timestamp expired" in refused(late, 401, "signature_expired")["error"]


@pytest.mark.parametrize("away", [-590, 590])
def test_a_clock_may_be_ten_minutes_off(place: Place, away):
    given = {"auth_timestamp": str(int(time.time()) + away)}
    assert place.call("GET", "{app}/channels", query=given).status == 200


def test_a_body_that_was_changed_on_its_way(place: Place):
    event = {"name": "news", "channel": "public.x", "data": "{}"}
    answer = place.call("POST", "{app}/events", event, changed={"body_md5": "0" * 32})
    refused(answer, 401, "signature_invalid")
    answer = place.call("POST", "{app}/events", event, changed={"info": "subscription_count"})
    refused(answer, 401, "signature_invalid")


def test_a_library_may_sign_an_empty_body_too(place: Place):
    md5 = {"body_md5": "d41d8cd98f00b204e9800998ecf8427e"}
    assert place.call("GET", "{app}/channels", query=md5).status == 200


def test_an_unknown_app_and_a_key_of_another(place: Place):
    refused(place.caller(app_id="9")("GET", "{app}/channels"), 404, "app_unknown")
    refused(place.caller(key="nobody")("GET", "{app}/channels"), 401, "app_key_unknown")
    refused(place.caller(key="nobody")("POST", "/users/1/terminate_connections", {}), 404, "app_unknown")
    record, pair = place.apps.create("other", "test")
    stranger = place.caller(key=pair.key, secret=pair.secret)
    refused(stranger("GET", "{app}/channels"), 401, "app_key_unknown")
    own = place.caller(app_id=record.app_id, key=pair.key, secret=pair.secret)
    wait_until(lambda: own("GET", "{app}/channels").status == 200, "the new app to be known", 5)


def test_a_parameter_twice_and_too_many(place: Place):
    path = "/apps/1001/channels?"
    for query in ("auth_key=a&auth_key=b", "&".join(f"a{n}=1" for n in range(60))):
        refused(place.server.get(path + query), 401, "signature_invalid")


def test_names_that_are_not_ascii_are_refused_and_break_nothing(place: Place):
    refused(place.caller(app_id="caf%C3%A9")("GET", "{app}/channels"), 404, "app_unknown")
    for query in ("auth_key=%ff%fe", "caf%e9=1", "auth_signature=%ED%A0%80"):
        refused(place.server.get(f"/apps/1001/channels?{query}"), 401, "signature_missing")


def test_behind_a_mount_the_path_may_be_signed_with_it_or_without(place: Place):
    bare = "/apps/1001/channels"
    for path in (bare, MOUNT + bare):
        for signed in (bare, MOUNT + bare):
            assert place.call("GET", path, signed_path=signed).status == 200
    refused(place.call("GET", bare, signed_path="/other" + bare), 401, "signature_invalid")
    refused(place.call("GET", bare, signed_path=MOUNT + MOUNT + bare), 401, "signature_invalid")


def test_a_path_may_be_signed_encoded_or_decoded(place: Place):
    plain, encoded = "/apps/1001/channels/public.x", "/apps/1001/channels/public%2Ex"
    for signed in (plain, encoded):
        assert place.call("GET", encoded, signed_path=signed).status == 200


def test_changes_of_apps_are_followed_within_seconds(place: Place):
    rotating, first = place.apps.create("rotating", "test")
    off, pair = place.apps.create("off", "test")
    caller = place.caller(app_id=off.app_id, key=pair.key, secret=pair.secret)

    def status(pair: AppKey) -> int:
        return place.caller(app_id=rotating.app_id, key=pair.key, secret=pair.secret).event().status

    wait_until(lambda: status(first) == caller.event().status == 200, "the new apps to be known", 5)
    _, second = place.apps.rotate("rotating", same_key=True)
    place.apps.switch("off", enabled=False)
    wait_until(lambda: status(second) == 200, "the new secret to be known", 5)
    assert status(first) == 200
    wait_until(lambda: caller.event().status == 403, "the app to be off", 5)
    refused(caller.event(), 403, "app_disabled")
    # who is not the app is not told that it is disabled
    refused(place.caller(app_id=off.app_id, key=pair.key, secret="x").event(), 401, "signature_invalid")
    place.apps.finish("rotating")
    place.apps.delete("off")
    wait_until(lambda: status(first) == 401, "the old secret to be refused", 5)
    assert status(second) == 200
    wait_until(lambda: caller.event().status == 404, "the app to be gone", 5)


def test_people_and_publishers_keys_are_no_apps(place: Place):
    for secret in (KEY, token(1)):
        answer = place.server.post(
            "/apps/1001/events",
            {"name": "news", "channel": "public.x", "data": "{}"},
            headers={"Authorization": f"Bearer {secret}"},
        )
        refused(answer, 401, "signature_missing")
    answer = place.server.post(
        "/api/broadcast",
        {"channel": "public.x", "event": "news", "data": {}},
        headers={"Authorization": "Bearer site-secret-site-secret"},
    )
    assert answer.status == 401


def test_outcomes_are_counted_by_app_and_strangers_have_no_name(place: Place):
    place.caller(app_id="made-up")("GET", "{app}/channels")
    place.call("GET", "{app}/channels", changed={"auth_signature": "0" * 64})

    def counted() -> bool:
        text = place.server.get("/metrics").text
        assert "made-up" not in text
        return all(
            f'realtime_app_requests_total{{app="{app}",call="channels",code="{code}"}}' in text
            for app, code in (("unknown", "app_unknown"), ("1001", "signature_invalid"))
        )

    wait_until(counted, "the refusals to be counted", 5)


class TestAsToLaravelEchoServer:
    """Without a signature, for apps that may."""

    @pytest.fixture
    def legacy(self, place: Place):
        record, pair = place.apps.create("legacy", "test", legacy=True)

        def post(body: object, secret: str = pair.secret, *, in_query: bool = False):
            path = f"/apps/{record.app_id}/events"
            if in_query:
                return place.server.post(f"{path}?auth_key={secret}", body)
            return place.server.post(path, body, headers={"Authorization": f"Bearer {secret}"})

        body = {"name": "warm", "channel": "public.x", "data": "{}"}
        wait_until(lambda: post(body).status == 200, "the app to be known", 5)
        yield post
        place.apps.delete("legacy")

    def test_its_secret_publishes_any_json(self, legacy, browser):
        for in_query, data in ((False, '{"n": 1}'), (True, {"n": 2})):
            body = {"name": "news", "channel": "public.news", "data": data}
            answer = legacy(body, in_query=in_query)
            assert (answer.status, answer.json()) == (200, {"message": "ok"})
        assert [arguments[0] for arguments in browser.wait_for_many("news", 2)] == [{"n": 1}, {"n": 2}]

    def test_nothing_else_does(self, legacy):
        body = {"name": "news", "channel": "public.news", "data": "{}"}
        for in_query in (False, True):
            answer = legacy(body, "wrong", in_query=in_query)
            assert answer.status == 401 and answer.json()["error"] == "Unauthorized"

    def test_what_is_missing_is_named(self, legacy):
        refused(legacy({"name": "news"}), 400, "channel_required")
