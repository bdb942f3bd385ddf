"""What a browser may give beside a channel's name, for whoever decides on it."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import InvalidField

SID = "1234.5678"
HEADERS = {
    "Authorization": "Bearer 77|abcdefghijklmnopqrstuvwxyz0123456789ABCD",
    "Cookie": "laravel_session=c00kie",
}
CREDENTIALS = Credentials(SID, "203.0.113.9", HEADERS)

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auth", "channel_data", "user_id", "headers", "Cookie"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def test_only_some_headers_go_on_and_those_of_the_subscription_go_first():
    payload = {
        "channel": "private-a",
        "auth": {
            "headers": {
                "authorization": "Bearer mine", "X-CSRF-Token": "c", "Host": "evil",
                "X-Forwarded-For": "1.1.1.1", "Content-Length": "5", "X-WebSocket-API-Key": "k", 7: "x",
                "Cookie": None,
            }
        },
    }  # fmt: skip
    found = CREDENTIALS.with_payload(payload)
    assert found.headers == {**HEADERS, "Authorization": "Bearer mine", "X-CSRF-TOKEN": "c"}
    assert (found.sid, found.address, found.auth) == (SID, "203.0.113.9", None)


@pytest.mark.parametrize(
    "payload",
    [
        {"auth": "k:s", "channel_data": "d"},
        {"auth": {"auth": "k:s", "channel_data": "d"}},
        {"auth": {"auth": "k:s", "headers": {}}, "channel_data": "d"},
    ],
)
def test_a_signature_is_found_where_clients_put_it(payload):
    found = CREDENTIALS.with_payload(payload)
    assert (found.auth, found.channel_data, found.headers) == ("k:s", "d", HEADERS)


@pytest.mark.parametrize(
    "payload", [None, "private-a", 7, [], {"channel": "private-a"}, {"auth": None}, {"auth": {}}]
)
def test_a_subscription_may_bring_nothing(payload):
    assert CREDENTIALS.with_payload(payload) == CREDENTIALS


@pytest.mark.parametrize(
    "auth",
    [
        7, [], True, "x" * 401, {"auth": 7}, {"auth": "k:s", "channel_data": {}},
        {"channel_data": "x" * 20_000},
        {"headers": {"Cookie": "a\r\nHost: evil"}}, {"headers": {"Authorization": ["a"]}},
        {"headers": {"Cookie": "x" * 9_000}}, {"headers": {"Cookie": "\u1ea1"}},
    ],
)  # fmt: skip
def test_what_cannot_be_sent_on_is_refused_by_name(auth):
    with pytest.raises(InvalidField) as refusal:
        CREDENTIALS.with_payload({"auth": auth})
    assert refusal.value.code in ("auth_invalid", "auth_headers_invalid")


@given(any_json)
def test_no_payload_breaks_the_reading_of_credentials(value):
    try:
        found = CREDENTIALS.with_payload(value)
    except InvalidField:
        return
    assert urlencode(found.headers)
    assert len(found.digest) == 32
