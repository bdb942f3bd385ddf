"""Pusher's signatures against the examples of its documentation and of its libraries."""

import hashlib

import pytest

from mechamap.domain.errors import SignatureRefused
from mechamap.domain.pusher_signature import (
    AppKey,
    SignedRequest,
    check_channel,
    check_request,
    read_query,
    sign_channel,
    sign_request,
    webhook_headers,
)

KEY = AppKey("278d425bdf160c739803", "7ad3773142a6692b25b8")
OTHER = AppKey("another-key", "another-secret")
THEN = 1353088179
BODY = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'
EVENT = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
LIST = "ff97d40ab3fbbd15394386a29c12998c33635305357b2e2abd18dc67efe3f87d"
SOCKET = "1234.1234"


def query(signature: str = EVENT, **changed: str | None) -> str:
    given = {
        "auth_key": KEY.key,
        "auth_timestamp": str(THEN),
        "auth_version": "1.0",
        "body_md5": "ec365a775a4cd0599faeb73354201b6f",
        "auth_signature": signature,
        **changed,
    }
    return "&".join(f"{name}={value}" for name, value in given.items() if value is not None)


def event(text: str, path: str = "/apps/3/events", body: bytes = BODY) -> SignedRequest:
    return SignedRequest("POST", (path,), read_query(text), body)


def signed(body: bytes = BODY, **parameters: str) -> SignedRequest:
    """A request as a library makes it, with these parameters instead of the usual ones."""
    given = {"auth_key": KEY.key, "auth_timestamp": str(THEN), "auth_version": "1.0", **parameters}
    made = sign_request(KEY.secret, "POST", "/apps/3/events", given)
    return SignedRequest("POST", ("/apps/3/events",), {**given, "auth_signature": made}, body)


def listing(text: str) -> SignedRequest:
    return SignedRequest("GET", ("/apps/3/channels",), read_query(text), b"")


AUTH = f"auth_key={KEY.key}&auth_signature={LIST}&auth_timestamp={THEN}&auth_version=1.0"
PREFIX = "filter_by_prefix=presence-"
LISTINGS = {
    "raw": f"{AUTH}&filter_by_prefix=presence-&info=user_count,subscription_count",
    "percent-encoded": f"{AUTH}&filter_by_prefix=presence-&info=user_count%2Csubscription_count",
    "array with indexes": f"{AUTH}&{PREFIX}&info%5B0%5D=user_count&info%5B1%5D=subscription_count",
    "array without": f"{AUTH}&info[]=user_count&info[]=subscription_count&{PREFIX}",
    "repeated": f"{AUTH}&info=user_count&info=subscription_count&{PREFIX}",
    "capitals": f"{AUTH}&Filter_By_Prefix=presence-&INFO=user_count,subscription_count",
}


def test_the_documented_event():
    assert check_request(event(query()), [OTHER, KEY], THEN) is KEY


@pytest.mark.parametrize("form", LISTINGS)
def test_the_documented_list_in_every_spelling(form):
    assert check_request(listing(LISTINGS[form]), [KEY], THEN) is KEY


def test_one_key_may_have_two_secrets_while_they_are_changed():
    newer = AppKey(KEY.key, "another-secret")
    assert check_request(event(query()), [newer, KEY], THEN) is KEY


def test_a_get_may_have_the_md5_of_nothing():
    given = {
        "auth_key": KEY.key,
        "auth_timestamp": str(THEN),
        "auth_version": "1.0",
        "body_md5": hashlib.md5(b"").hexdigest(),
    }
    made = sign_request(KEY.secret, "GET", "/apps/3/channels", given)
    request = SignedRequest("GET", ("/apps/3/channels",), {**given, "auth_signature": made}, b"")
    assert check_request(request, [KEY], THEN) is KEY


def test_either_form_of_the_path_may_have_been_signed():
    request = SignedRequest("POST", ("/ws/apps/3/events", "/apps/3/events"), read_query(query()), BODY)
    assert check_request(request, [KEY], THEN) is KEY


@pytest.mark.parametrize("away", [-600, 0, 600])
def test_the_clock_may_differ_by_ten_minutes(away):
    assert check_request(event(query()), [KEY], THEN + away) is KEY


def refused(request: SignedRequest, now: float = THEN, keys: tuple[AppKey, ...] = (KEY,)) -> str:
    with pytest.raises(SignatureRefused) as caught:
        check_request(request, keys, now)
    assert KEY.secret not in caught.value.message
    assert caught.value.http_status == 401
    return caught.value.code


@pytest.mark.parametrize("away", [-601, 601, 10**6])
def test_a_clock_too_far_away(away):
    assert refused(event(query()), THEN + away) == "signature_expired"


@pytest.mark.parametrize("timestamp", ["soon", "-1", "1_353_088_179", "1353088179.0", "9" * 5000])
def test_a_timestamp_that_is_none(timestamp):
    md5 = hashlib.md5(BODY).hexdigest()
    assert refused(signed(auth_timestamp=timestamp, body_md5=md5)) == "signature_expired"


@pytest.mark.parametrize("name", ["auth_key", "auth_timestamp", "auth_version", "auth_signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_every_part_is_needed(name, value):
    assert refused(event(query(**{name: value}))) == "signature_missing"


def test_another_version():
    assert refused(signed(auth_version="2.0", body_md5=hashlib.md5(BODY).hexdigest())) == "signature_invalid"


@pytest.mark.parametrize(
    "request_",
    [
        event(query(), body=BODY + b" "),
        event(query(), path="/apps/4/events"),
        event(query() + "&info=user_count"),
        event(query(EVENT[:-1] + "0")),
        event(query(EVENT.upper())),
        event(query("é" * 32)),
        SignedRequest("GET", ("/apps/3/events",), read_query(query()), BODY),
    ],
    ids=["body", "path", "parameter", "signature", "capitals", "not ascii", "method"],
)
def test_nothing_may_be_changed(request_):
    assert refused(request_) == "signature_invalid"


def test_a_body_without_its_md5():
    assert refused(signed()) == "signature_missing"


def test_a_key_of_another_app():
    assert refused(event(query()), keys=(OTHER,)) == "app_key_unknown"
    assert refused(event(query()), keys=()) == "app_key_unknown"


def test_a_parameter_of_the_signature_twice():
    with pytest.raises(SignatureRefused):
        read_query(query() + f"&auth_key={KEY.key}")


def test_too_many_parameters():
    with pytest.raises(SignatureRefused):
        read_query("&".join(f"a{number}=1" for number in range(51)))


def test_a_channel():
    auth = f"{KEY.key}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    assert sign_channel(KEY, SOCKET, "private-foobar") == auth
    assert check_channel(auth, [OTHER, KEY], SOCKET, "private-foobar")
    assert not check_channel(auth, [OTHER], SOCKET, "private-foobar")
    assert not check_channel(auth, [KEY], "1234.1235", "private-foobar")
    assert not check_channel(auth, [KEY], SOCKET, "private-foobar2")
    assert not check_channel(auth, [KEY], SOCKET, "private-foobar", "")
    assert not check_channel("", [KEY], SOCKET, "private-foobar")
    assert not check_channel("\ud800", [KEY], SOCKET, "private-foobar")


def test_a_presence_channel():
    data = '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'
    auth = f"{KEY.key}:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    assert sign_channel(KEY, SOCKET, "presence-foobar", data) == auth
    assert check_channel(auth, [KEY], SOCKET, "presence-foobar", data)
    assert not check_channel(auth, [KEY], SOCKET, "presence-foobar", data.replace("10", "1"))
    assert not check_channel(auth, [KEY], SOCKET, "presence-foobar")


def test_a_socket_id_cannot_move_the_borders():
    auth = sign_channel(KEY, "1.1:private-a", "b")
    assert not check_channel(auth, [KEY], "1.1:private-a", "b")


def test_a_webhook():
    body = b'{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"public-x"}]}'
    assert webhook_headers(KEY, body) == {
        "Content-Type": "application/json",
        "X-Pusher-Key": KEY.key,
        "X-Pusher-Signature": "830c46ce5be90cd804521d254e6505ca17f79db12248a4e34c2caca5b7b3d190",
    }
