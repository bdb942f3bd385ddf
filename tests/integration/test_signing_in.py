"""Who is let in, by the stock client, and what the others are told."""

import base64
import json
import time

import pytest

from .conftest import JWT_SECRET, settings, token


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"transports": ["websocket"]},
        {"transports": ["polling"]},
        {"transports": ["polling", "websocket"]},
    ],
    ids=["default", "websocket", "polling", "upgrade"],
)
def test_a_valid_token_is_greeted_on_every_transport(site, options):
    browser = site.client().connect(site.server.url, auth={"token": token(2)}, **options)
    [subscribed] = browser.wait_for("subscribed")
    [connected] = browser.wait_for("connected")
    assert (subscribed["channel"], subscribed["status"]) == ("private-user.2", "auto")
    assert connected["userId"] == 2
    assert connected["socketId"] == browser.id
    assert connected["channels"] == ["private-user.2"]
    assert connected["timestamp"].endswith("Z")
    assert site.broadcast("private-user.2", "hello", {"n": 1}).json()["subscriberCount"] == 1
    assert browser.wait_for("hello")[0] == {"n": 1}


def test_the_token_may_come_in_a_header(site):
    headers = {"Authorization": f"Bearer {token(2)}"}
    for transports in (["websocket"], ["polling"]):
        browser = site.client().connect(site.server.url, extraHeaders=headers, transports=transports)
        assert browser.wait_for("connected")[0]["userId"] == 2


def test_the_token_may_come_in_the_query_and_is_not_logged(site):
    secret = token(2)
    browser = site.client().connect(site.server.url, query={"token": secret}, transports=["websocket"])
    assert browser.wait_for("connected")[0]["userId"] == 2
    assert secret not in site.server.log()
    assert secret.rpartition(".")[2] not in site.server.log()


@pytest.mark.parametrize("claim", ["userId", "sub", "user_id"])
@pytest.mark.parametrize("value", [3, "3"])
def test_the_user_id_may_be_in_any_of_three_claims_as_number_or_text(site, claim, value):
    claims = {"user_id": None, claim: value}
    browser = site.client().connect(site.server.url, auth={"token": _token_with(**claims)})
    assert browser.wait_for("connected")[0]["userId"] == 3


def _token_with(**claims: object) -> str:
    import jwt

    content = {"exp": int(time.time()) + 60, **{k: v for k, v in claims.items() if v is not None}}
    return jwt.encode(content, JWT_SECRET, algorithm="HS256")


def _unsigned(user_id: int) -> str:
    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'userId': user_id, 'exp': time.time() + 60})}."


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({}, "token_missing"),
        (None, "token_missing"),
        ({"token": None}, "token_missing"),
        ({"token": ""}, "token_missing"),
        ({"token": 7}, "token_missing"),
        ({"token": ["x"]}, "token_missing"),
        ({"token": "garbage"}, "token_malformed"),
        ({"token": "a.b.c"}, "token_malformed"),
        ({"token": "x" * 5000}, "token_malformed"),
        ({"token": "development-mode"}, "development_token"),
        ({"token": token(2, secret="another-secret-another-secret-another")}, "token_invalid"),
        ({"token": token(2, exp=int(time.time()) - 60)}, "token_expired"),
        ({"token": token(2, exp=None)}, "token_invalid"),
        ({"token": _unsigned(2)}, "token_invalid"),
        ({"token": token(2, type="refresh")}, "token_type"),
        ({"token": token(None)}, "token_invalid"),
        ({"token": token(0)}, "token_invalid"),
        ({"token": token("2 or 1=1")}, "token_invalid"),
        ({"token": token(2.5)}, "token_invalid"),
        ({"token": token(True)}, "token_invalid"),
        ({"token": token(999)}, "user_unknown"),
        ({"token": token(2**63)}, "user_unknown"),
    ],
)
def test_a_refusal_begins_with_the_plans_words_and_carries_a_code(site, auth, code):
    refusal = site.refusal(auth=auth)
    assert refusal["message"].startswith("Authentication failed")
    assert refusal["data"]["code"] == code


def test_a_token_on_the_way_out_still_counts_until_the_previous_secret_is_dropped(serve, node_client):
    from .conftest import Site

    old = "previous-secret-previous-secret-previous"
    server = serve(settings(JWT_SECRET_PREVIOUS=old))
    site = Site(server, node_client)
    assert site.client().connect(server.url, auth={"token": token(2, secret=old)})
    assert site.client().connect(server.url, auth={"token": token(2)})


def test_who_is_refused_never_receives_anything(site):
    stranger = site.client()
    stranger.open(site.server.url, auth={"token": "garbage"}, transports=["websocket"])
    stranger.connect_error()
    for channel in ("public.x", "private-user.2"):
        site.broadcast(channel, "secret")
    time.sleep(0.3)
    assert [name for name, _ in stranger.history()] == ["connect_error"]


def test_a_token_that_ends_ends_its_connection(site):
    browser = site.client().connect(site.server.url, auth={"token": token(2, exp=int(time.time()) + 2)})
    [told] = browser.wait_for("force_disconnect", timeout=6)
    assert told["code"] == "token_expired"
    browser.wait_for("disconnect")
    assert site.broadcast("private-user.2").json()["subscriberCount"] == 0


def test_an_unknown_namespace_is_refused(site):
    refusal = site.client().connect_error(f"{site.server.url}/admin", auth={"token": token(2)})
    assert refusal["message"] == "Invalid namespace"


def test_a_foreign_origin_is_refused_before_anything_else(site):
    refusal = site.refusal(
        auth={"token": token(2)}, transports=["websocket"], extraHeaders={"Origin": "https://evil.example"}
    )
    assert refusal["type"] == "TransportError"
    allowed = {"Origin": "https://mechamap.com"}
    assert site.browser(2, transports=["websocket"], extraHeaders=allowed).connected()
