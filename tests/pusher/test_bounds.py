"""Limits, and a broker that is away: the application in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from mechamap import create_app
from mechamap.api.broadcasting import BatchInterrupted
from mechamap.api.pusher_calls import PusherCalls
from mechamap.broker.protocol import Published
from mechamap.domain.apps import App
from mechamap.domain.channels import parse_channel_of_site
from mechamap.domain.errors import BrokerUnavailable, InvalidField, InvalidRequest, PayloadTooLarge
from mechamap.domain.publication import Receipt
from mechamap.edge.limits import FAILED_KEYS, PER_KEY, RateLimits
from mechamap.ingest.pusher import PusherReader
from mechamap.settings import load
from tests.services.application import Answer
from tests.services.processes import free_port

from .conftest import APP, Caller, refused


@contextmanager
def in_process(directory: object, **more: str) -> Iterator[tuple[Any, Caller]]:
    """An application's services, and its app as a caller."""
    app = create_app(load({"INSTANCE_PATH": str(directory), "LOG_LEVEL": "ERROR", **APP, **more}))
    client = app.test_client()

    def send(method: str, path: str, body: bytes | None, *, headers: dict[str, str]) -> Answer:
        answer = client.open(path, method=method, data=body, headers=headers)
        return Answer(
            answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data
        )

    try:
        yield app.extensions["mechamap"], Caller(send)
    finally:
        app.extensions["mechamap"].databases.close()


@pytest.fixture
def alone(tmp_path) -> Iterator[tuple[Any, Caller]]:
    with in_process(tmp_path) as found:
        yield found


def test_while_the_broker_is_away_everything_is_503_and_may_be_tried_again(tmp_path):
    with in_process(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}") as (_, call):
        event = {"name": "news", "channel": "public.x", "data": "{}"}
        for answer in (
            call.event(),
            call.event(info="subscription_count"),
            call("POST", "{app}/batch_events", {"batch": [event]}),
            call("GET", "{app}/channels"),
            call("GET", "{app}/channels/public.x"),
            call("GET", "{app}/channels/presence-thread.1/users"),
            call("POST", "{app}/users/7/terminate_connections", {}),
        ):
            refused(answer, 503, "broker_unavailable")
            assert int(answer.headers["retry-after"]) >= 1


def test_wrong_signatures_are_limited_by_address_and_hold_up_nobody_else(alone):
    _, call = alone
    wrong: Callable[[], Answer] = lambda: call("GET", "{app}/channels", changed={"auth_signature": "0"})  # noqa: E731
    assert {wrong().status for _ in range(FAILED_KEYS.amount)} == {401}
    answer = wrong()
    refused(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert call("GET", "{app}/channels").status == 200


def test_an_app_that_publishes_too_fast_is_429(alone):
    services, call = alone
    services.limits.check_key("app:1001", PER_KEY.amount)
    refused(call.event(), 429, "rate_limited")
    refused(call("GET", "{app}/channels"), 429, "rate_limited")


def test_a_batch_that_is_interrupted_says_how_far_it_came():
    failure = BrokerUnavailable("Redis is away.", unknown=True)
    receipt = Receipt("id", {"public:x": 3})
    publisher = SimpleNamespace(publish_many=lambda key, publications: Published((receipt,), failure))
    limits = RateLimits(on=False, redis=None)
    calls = PusherCalls(publisher, SimpleNamespace(), limits, PusherReader(1000))
    entry = b'{"name": "n", "channel": "public.x", "data": "{}", "info": "subscription_count"}'
    with pytest.raises(BatchInterrupted) as refusal:
        calls.trigger_batch(App("1", ()), b'{"batch": [%s, %s]}' % (entry, entry), None)
    details = refusal.value.details()
    assert (details["accepted"], details["results"]) == (1, [{"subscription_count": 3}])
    assert (refusal.value.http_status, details["outcome"]) == (503, "unknown")


def test_counts_that_cannot_be_had_do_not_unsay_what_was_published():
    def away(*_: object) -> None:
        raise BrokerUnavailable("Redis is away.")

    publisher = SimpleNamespace(publish=lambda key, publication: Receipt("id", {"thread:1": 3}))
    limits = RateLimits(on=False, redis=None)
    calls = PusherCalls(publisher, SimpleNamespace(members=away), limits, PusherReader(1000))
    body = (
        b'{"name": "n", "channel": "presence-thread.1", "data": "1", "info": "user_count,subscription_count"}'
    )
    assert calls.trigger(App("1", ()), body, None) == {
        "channels": {"presence-thread.1": {"subscription_count": 3}}
    }


def test_where_a_site_has_channels_of_its_own_it_publishes_to_them():
    names = ["private-encrypted-orders.7", "presence-room=1", "cache-news", "private-user.7"]
    body = {"name": "n", "channels": names, "data": "1"}
    read = PusherReader(1000, parse_channel_of_site).event(body, "app:1").publication
    assert [channel.name for channel in read.channels] == names
    with pytest.raises(InvalidField):
        PusherReader(1000).event(body, "app:1")
    for name in ("private-user.7abc", "#server-to-user-anna", "a b", "x" * 201):
        with pytest.raises(InvalidField):
            PusherReader(1000, parse_channel_of_site).event({**body, "channels": [name]}, "app:1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("name", "channel", "channels", "data", "socket_id", "info")
BODIES = JSON | st.dictionaries(st.sampled_from(FIELDS), JSON | st.just("public.x") | st.just(["public.x"]))


@example_settings(deadline=None)
@given(BODIES | st.fixed_dictionaries({"batch": st.lists(BODIES, max_size=12)}))
def test_whatever_a_body_is_it_is_read_or_refused(body):
    reader = PusherReader(1000)
    for read in (reader.event, reader.batch):
        try:
            read(body, "app:1")
        except (InvalidField, InvalidRequest, PayloadTooLarge):
            pass
