"""Channels on which Laravel decides: its answers judged, its signatures checked, and nothing let out."""

import json
import logging

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from mechamap.auth.channel_authorization import ChannelAuthorization
from mechamap.auth.channel_laravel import LaravelChannels
from mechamap.auth.channel_signature import ChannelSignatures
from mechamap.domain.apps import App
from mechamap.domain.channels import parse_channel_of_site
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import NotFound, Unavailable
from mechamap.domain.identity import Identity, TokenKind
from mechamap.domain.pusher_signature import AppKey, sign_channel
from mechamap.laravel.client import Answer, Body, Bounds, LaravelClient
from mechamap.laravel.verdict import Outcome, read_verdict
from tests.services.laravel_api import (
    HTML,
    HUGE,
    REDIRECT,
    LaravelApi,
    breaks_off,
    drips,
    garbage,
    hangs,
    hangs_up,
    says,
)
from tests.services.processes import wait_until

SID = "1234.5678"
KEY, OLD = AppKey("app-key", "app-secret-app-secret"), AppKey("old-key", "old-secret-old-secret")
PRIVATE, PRESENCE = parse_channel_of_site("private-order.5"), parse_channel_of_site("presence-room.5")
SECRET = "77|abcdefghijklmnopqrstuvwxyz0123456789ABCD"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Cookie": "laravel_session=c00kie-c00kie"}
CREDENTIALS = Credentials(SID, "203.0.113.9", HEADERS)
GIANG = Identity(7, "member", "Giang", TokenKind.SANCTUM, None)
GUEST = Identity(0, None, None, TokenKind.SANCTUM, None)


class Apps:
    """One app with two keys."""

    def __init__(self) -> None:
        self.app = App("1", (KEY, OLD))

    def by_key(self, key: str) -> App:
        if any(each.key == key for each in self.app.keys):
            return self.app
        raise NotFound("There is no app with this key.", code="app_unknown")


@pytest.fixture
def apps() -> Apps:
    return Apps()


@pytest.fixture
def signatures(apps: Apps) -> ChannelSignatures:
    return ChannelSignatures(apps)


@pytest.fixture
def asked(laravel_api: LaravelApi, signatures: ChannelSignatures) -> LaravelChannels:
    client = LaravelClient(f"{laravel_api.url}/broadcasting/auth", Bounds(connect=0.2, total=0.3, at_once=2))
    return LaravelChannels(client, signatures)


def signed(channel=PRIVATE, data: str | None = None, key: AppKey = KEY, sid: str = SID) -> dict[str, str]:
    answer = {"auth": sign_channel(key, sid, channel.name, data)}
    return answer if data is None else {**answer, "channel_data": data}


MEMBER = json.dumps({"user_id": "7", "user_info": {"name": "Giang"}})


@pytest.mark.parametrize(
    ("channel", "answer"),
    [
        (PRIVATE, True),
        (PRESENCE, True),
        (PRIVATE, {"channel_data": {"user_id": 7, "user_info": []}}),
        (PRESENCE, {"channel_data": {"user_id": 7, "user_info": {"name": "G"}}}),
        (PRESENCE, {"channel_data": MEMBER}),
        (PRESENCE, {"user_id": 7, "user_info": {"name": "G"}}),
        (PRIVATE, {"user_id": "7"}),
        (PRIVATE, signed()),
        (PRIVATE, signed(key=OLD)),
        (PRESENCE, signed(PRESENCE, MEMBER)),
    ],
)
def test_every_yes_of_laravel_is_one(asked, laravel_api, channel, answer):
    # Laravel's redis driver calls its JSON text/html
    laravel_api.behaviour = says(answer, content_type="text/html; charset=UTF-8")
    assert asked.decide(GIANG, channel, CREDENTIALS).allowed
    [question] = laravel_api.asked
    assert question.form() == {"channel_name": channel.name, "socket_id": SID}
    assert question.headers["authorization"] == HEADERS["Authorization"]
    assert question.headers["cookie"] == HEADERS["Cookie"]
    assert question.headers["accept"] == "application/json"
    assert question.headers["x-requested-with"] == "XMLHttpRequest"
    assert question.headers["x-forwarded-for"] == "203.0.113.9"


DENIED = [
    (says(b""), "auth_empty"),
    (says(b"\n", content_type="text/html"), "auth_empty"),
    (HTML, "auth_html"),
    (REDIRECT, "auth_redirect"),
    (HUGE, "auth_huge"),
    (says(b"yes"), "auth_unreadable"),
    (says(b"tru"), "auth_unreadable"),
    (says(b"true true"), "auth_unreadable"),
    (says(b"[" * 60_000), "auth_unreadable"),
    (says(b"true", Content_Encoding="gzip"), "auth_unreadable"),
    (says(1), "auth_unreadable"),
    (says("true"), "auth_unreadable"),
    (says([True]), "auth_unreadable"),
    (says(False), "auth_unreadable"),
    (says(None), "auth_unreadable"),
    (says({}), "auth_unreadable"),
    (says({"allowed": True}), "auth_unreadable"),
    (says({"auth": None}), "auth_unreadable"),
    (says({"auth": True, "user_id": 7}), "auth_unreadable"),
    (says({"channel_data": None}), "auth_unreadable"),
    (says({"channel_data": "nonsense"}), "auth_unreadable"),
    (says({"channel_data": {"user_info": {}}}), "auth_unreadable"),
    (says({"user_id": True}), "auth_unreadable"),
    (says({"user_id": 8}), "auth_other_user"),
    (says({"channel_data": {"user_id": "8"}}), "auth_other_user"),
    (says({"auth": "no-such-key:00"}), "auth_key_unknown"),
    (says({"auth": "app-key"}), "auth_key_unknown"),
    (says({"auth": "app-key:" + "0" * 64}), "auth_signature_invalid"),
    (says(signed(sid="1234.5679")), "auth_signature_invalid"),
    (says(signed(parse_channel_of_site("private-order.6"))), "auth_signature_invalid"),
    (says({**signed(), "channel_data": MEMBER}), "auth_signature_invalid"),
    (says(True, 201), "auth_denied"),
    (says(b"", 204), "auth_denied"),
    (says(True, 401), "auth_denied_401"),
    (says(True, 403), "auth_denied_403"),
    (says(True, 404), "auth_denied_404"),
    (says(True, 419), "auth_denied_419"),
    (says(True, 422), "auth_denied"),
]


@pytest.mark.parametrize(("behaviour", "code"), DENIED)
def test_whatever_is_no_clear_yes_is_a_no(asked, laravel_api, behaviour, code, caplog):
    caplog.set_level(logging.DEBUG)
    laravel_api.behaviour = behaviour
    for _ in range(2):
        decision = asked.decide(GIANG, PRIVATE, CREDENTIALS)
        assert (decision.allowed, decision.code) == (False, code)
    assert len(laravel_api.asked) == 1  # a no is remembered for a moment
    assert [record.code for record in caplog.records if record.message == "channel_asked"] == [code]
    assert_nothing_let_out(caplog, decision.reason)


FAILED = [
    (says(True, 500), "auth_server_error"),
    (says(True, 503), "auth_server_error"),
    (says(True, 429, Retry_After="7"), "auth_rate_limited"),
    (hangs, "auth_timeout"),
    (drips, "auth_timeout"),
    (garbage, "auth_unreachable"),
    (breaks_off, "auth_unreachable"),
    (hangs_up, "auth_unreachable"),
]


@pytest.mark.parametrize(("behaviour", "code"), FAILED)
def test_no_verdict_is_a_no_for_now(asked, laravel_api, behaviour, code, caplog):
    caplog.set_level(logging.DEBUG)
    laravel_api.behaviour = behaviour
    with pytest.raises(Unavailable) as refusal:
        asked.decide(GIANG, PRIVATE, CREDENTIALS)
    assert refusal.value.code == code
    assert refusal.value.retry_after >= 1
    assert_nothing_let_out(caplog, refusal.value.message)


def assert_nothing_let_out(caplog, message: str) -> None:
    everything = message + "".join(str(vars(record)) for record in caplog.records)
    for secret in (SECRET, "c00kie", KEY.secret):
        assert secret not in everything
    assert SECRET not in repr(CREDENTIALS)


def test_a_presence_channels_signature_needs_a_member(asked, laravel_api):
    laravel_api.behaviour = says(signed(PRESENCE))
    assert asked.decide(GIANG, PRESENCE, CREDENTIALS).code == "auth_unreadable"


def test_without_cookie_and_token_laravel_is_not_asked(asked, laravel_api):
    only_csrf = Credentials(SID, None, {"X-CSRF-TOKEN": "x"})
    assert asked.decide(GIANG, PRIVATE, only_csrf).code == "auth_no_credentials"
    assert laravel_api.asked == []


def test_a_verdict_is_for_one_credential_one_person_and_one_channel(asked, laravel_api):
    laravel_api.behaviour = says(True)
    others = [
        (GIANG, PRESENCE, CREDENTIALS),
        (Identity(8, "member", "Hai", TokenKind.JWT, None), PRIVATE, CREDENTIALS),
        (GIANG, PRIVATE, Credentials(SID, None, {**HEADERS, "Cookie": "laravel_session=c00kie-c00kif"})),
        (GIANG, PRIVATE, Credentials(SID, None, {"Authorization": HEADERS["Authorization"]})),
    ]
    assert asked.decide(GIANG, PRIVATE, CREDENTIALS).allowed
    laravel_api.behaviour = says(b"", 403)
    for question in others:
        assert not asked.decide(*question).allowed
    # the same person's other tab asks nobody
    assert asked.decide(GIANG, PRIVATE, Credentials("9.9", "198.51.100.1", HEADERS)).allowed
    assert len(laravel_api.asked) == 1 + len(others)


class Crowd:
    """How many are answered at a time, the first of them waiting until so many are there."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.busy = self.most = 0
        self.complete = Event()

    def pass_through(self) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        if self.busy >= self.expected:
            self.complete.set()
        self.complete.wait(0.2)
        gevent.sleep(0.02)  # for one too many
        self.busy -= 1


def test_many_tabs_ask_once_and_so_many_at_a_time(asked, laravel_api):
    crowd = Crowd(2)

    def slowly(connection, question):
        crowd.pass_through()
        says(True)(connection, question)

    laravel_api.behaviour = slowly
    asking = [gevent.spawn(asked.decide, GIANG, PRIVATE, CREDENTIALS) for _ in range(50)]
    asking += [
        gevent.spawn(asked.decide, GIANG, parse_channel_of_site(f"private-{n}"), CREDENTIALS)
        for n in range(5)
    ]
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert all(greenlet.value.allowed for greenlet in asking)
    assert len(laravel_api.asked) == 6
    assert crowd.most == 2


def test_one_who_waits_for_laravel_makes_nobody_else_wait(signatures, laravel_api):
    laravel_api.behaviour = lambda connection, question: (
        hangs(connection, question)
        if "slow" in question.form()["channel_name"]
        else says(True)(connection, question)
    )
    patient = LaravelChannels(LaravelClient(laravel_api.url, Bounds(total=30)), signatures)
    slow = gevent.spawn(patient.decide, GIANG, parse_channel_of_site("private-slow"), CREDENTIALS)
    wait_until(lambda: laravel_api.asked, "Laravel to be asked", 5)
    assert patient.decide(GIANG, PRIVATE, CREDENTIALS).allowed
    assert not slow.ready()
    slow.kill()


# --- the signature that a browser brings


def test_the_vector_of_pushers_documentation(apps, signatures):
    apps.app = App("3", (AppKey("278d425bdf160c739803", "7ad3773142a6692b25b8"),))
    auth = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    channel = parse_channel_of_site("private-foobar")
    assert signatures.decide(GIANG, channel, Credentials("1234.1234", auth=auth)).allowed
    assert not signatures.decide(GIANG, channel, Credentials("1234.1235", auth=auth)).allowed


def brings(channel=PRIVATE, data=None, sid=SID, **changes) -> Credentials:
    given = {**signed(channel, data, sid=sid), **changes}
    return Credentials(SID, auth=given["auth"], channel_data=given.get("channel_data"))


@pytest.mark.parametrize(
    ("channel", "credentials", "code"),
    [
        (PRIVATE, brings(), "allowed"),
        (PRESENCE, brings(PRESENCE, MEMBER), "allowed"),
        (PRIVATE, brings(sid="9.9"), "auth_signature_invalid"),
        (PRIVATE, brings(PRESENCE), "auth_signature_invalid"),
        (PRIVATE, brings(channel_data=MEMBER), "auth_signature_invalid"),
        (PRESENCE, brings(PRESENCE, MEMBER, channel_data=MEMBER.replace("7", "1")), "auth_signature_invalid"),
        (PRESENCE, brings(PRESENCE), "auth_unreadable"),
        (PRESENCE, brings(PRESENCE, MEMBER.replace("7", "8")), "auth_other_user"),
        (PRIVATE, brings(auth="app-key:"), "auth_signature_invalid"),
        (PRIVATE, brings(auth=":" + "0" * 64), "auth_key_unknown"),
        (PRIVATE, brings(auth="x" * 64), "auth_key_unknown"),
    ],
)
def test_a_signature_is_for_one_connection_channel_and_person(signatures, channel, credentials, code):
    decision = signatures.decide(GIANG, channel, credentials)
    assert (decision.code, decision.allowed) == (code, code == "allowed")


def test_the_signature_of_an_app_that_was_switched_off_is_none(apps, signatures):
    apps.app = App("1", (KEY,), enabled=False)
    assert signatures.decide(GIANG, PRIVATE, brings()).code == "auth_key_unknown"


def test_a_guest_is_whom_laravel_says(signatures):
    assert signatures.decide(GUEST, PRESENCE, brings(PRESENCE, MEMBER)).allowed


def test_the_first_who_has_something_to_go_by_decides(asked, signatures, laravel_api):
    ways = ChannelAuthorization([signatures, asked], by_rules=True)
    laravel_api.behaviour = says(True)
    assert ways.authorize(GIANG, PRIVATE, CREDENTIALS).allowed
    wrong = Credentials(SID, None, HEADERS, auth="app-key:" + "0" * 64)
    assert ways.authorize(GIANG, PRIVATE, wrong).code == "auth_signature_invalid"
    assert ways.authorize(GIANG, PRIVATE, brings()).allowed
    assert ways.authorize(GIANG, PRIVATE, Credentials(SID)).code == "auth_no_credentials"
    assert len(laravel_api.asked) == 1


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auth", "channel_data", "user_id", "user_info", "headers", "Cookie"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(any_json)
def test_no_json_is_a_yes_by_accident(value):
    verdict = read_verdict(Answer(200, Body.JSON, json.dumps(value).encode()))
    if verdict.outcome is Outcome.ALLOWED:
        assert value is True or verdict.member
    assert verdict.outcome is not Outcome.FAILED


def test_the_channels_of_a_return_are_asked_about_together_and_others_have_their_turn(
    signatures, laravel_api
):
    crowd = Crowd(4)

    def slowly(connection, question):
        crowd.pass_through()
        refused = question.form()["channel_name"] == "private-3"
        says(True, 403 if refused else 200)(connection, question)

    laravel_api.behaviour = slowly
    way = LaravelChannels(LaravelClient(laravel_api.url), signatures)
    ways = ChannelAuthorization([way], by_rules=True, again=way)
    channels = [parse_channel_of_site(f"private-{n}") for n in range(8)]
    decisions = ways.renew(GIANG, channels, CREDENTIALS)
    assert [decision.allowed for decision in decisions] == [n != 3 for n in range(8)]
    assert crowd.most == 4


def test_a_return_is_put_off_when_one_of_its_channels_gets_no_verdict(asked, laravel_api, capfd):
    laravel_api.behaviour = lambda connection, question: says(
        True, 500 if question.form()["channel_name"] == "private-1" else 200
    )(connection, question)
    ways = ChannelAuthorization([asked], by_rules=True, again=asked)
    with pytest.raises(Unavailable) as refusal:
        ways.renew(GIANG, [parse_channel_of_site(f"private-{n}") for n in range(3)], CREDENTIALS)
    assert refusal.value.code == "auth_server_error"
    assert capfd.readouterr().err == ""  # no greenlet died of it
