"""``flask tokens``."""

import base64
import json

import pytest

from tests.services.application import Application
from tests.services.browser_client import BrowserClient

from .terminal import Runner, Terminal, widest


def issued(here: Runner, user_id: int = 2, *options: str) -> str:
    return here.flask("tokens", "issue", str(user_id), *options).succeeded().out.strip()


def test_an_issued_token_opens_a_connection(browser, here: Runner):
    assert browser(2).connected()


def test_the_token_alone_goes_to_stdout(here: Runner):
    outcome = here.flask("tokens", "issue", "2", "--ttl", "15m").succeeded()
    token = outcome.out.strip()
    assert token.count(".") == 2 and token not in outcome.err
    assert "user 2 Binh (member)" in outcome.err and "15 min" in outcome.err


def test_a_token_that_would_be_refused_is_issued_with_a_warning(here: Runner):
    assert "user_banned" in here.flask("tokens", "issue", "5").succeeded().err
    told = here.flask("tokens", "issue", "77", "--json").succeeded().json()
    assert (told["accepted"], told["code"]) == (False, "user_unknown")


@pytest.mark.parametrize("ttl", ["0", "1y", "-5m", "366d", "soon"])
def test_a_length_of_time_that_cannot_be_meant_is_a_usage_error(here: Runner, ttl: str):
    here.flask("tokens", "issue", "2", "--ttl", ttl).refused("--ttl", code=2)


def test_an_accepted_token_is_explained_without_being_repeated(here: Runner):
    token = issued(here)
    outcome = here.flask("tokens", "inspect", token).succeeded()
    assert outcome.out.startswith("accepted")
    assert "user 2 Binh (member)" in outcome.out and "claim userId" in outcome.out
    assert token not in outcome.said and token.rpartition(".")[2] not in outcome.said
    assert widest(outcome.said) <= 80


def test_a_token_is_read_from_standard_input(here: Runner):
    told = here.flask("tokens", "inspect", "-", "--json", stdin=f"{issued(here)}\n").succeeded().json()
    assert told["accepted"] and told["identity"]["user_id"] == 2 and told["shape"] == "jwt"


def test_a_forged_token_shows_its_claims_as_nobodys_word(here: Runner):
    head, _, signature = issued(here).split(".")
    claims = base64.urlsafe_b64encode(
        json.dumps({"userId": 1, "exp": 2**33, "name": "\x1b[2J\ud800"}).encode()
    )
    outcome = here.flask("tokens", "inspect", f"{head}.{claims.decode().rstrip('=')}.{signature}").succeeded()
    assert outcome.out.startswith("refused  [token_invalid]")
    assert "claim userId" in outcome.out and "nobody's word" in outcome.err
    assert "\x1b" not in outcome.out


def test_half_a_surrogate_pair_in_a_claim_is_json_all_the_same(here: Runner):
    head, _, signature = issued(here).split(".")
    claims = base64.urlsafe_b64encode(b'{"userId": 1, "name": "\\ud800"}').decode().rstrip("=")
    told = here.flask("tokens", "inspect", f"{head}.{claims}.{signature}", "--json").succeeded().json()
    assert told["claims"]["name"] == "\ud800"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("development-mode", "development_token"),
        ("abc", "token_malformed"),
        ("1|" + "a" * 40, "token_invalid"),
        ("x" * 5000, "token_malformed"),
    ],
)
def test_whatever_is_no_token_is_explained(here: Runner, token: str, code: str):
    told = here.flask("tokens", "inspect", token, "--json").succeeded().json()
    assert (told["accepted"], told["code"], told["claims"]) == (False, code, {})


def test_a_revoked_token_opens_nothing(here: Runner, server: Application, node_client, eventually):
    token = issued(here, 3)
    outcome = here.flask("tokens", "revoke", "-", stdin=token).succeeded()
    assert "user 3" in outcome.out and token not in outcome.said
    assert here.flask("tokens", "inspect", token, "--json").json()["code"] == "token_revoked"
    refusal = node_client().connect_error(server.url, auth={"token": token})
    assert refusal["data"]["code"] == "token_revoked"


def test_a_revoked_token_ends_what_is_open_and_no_other_token_of_the_user(
    here: Runner, server: Application, node_client, browser
):
    token, other = issued(here, 3), browser(3)
    client = node_client().connect(server.url, auth={"token": token})
    client.wait_for("connected")
    told = here.flask("tokens", "revoke", token, "--json").succeeded().json()
    assert told["connections"] == 1
    assert client.wait_for("force_disconnect")[0]["code"] == "token_revoked"
    assert other.connected()


def test_a_person_is_asked_before_a_token_is_revoked(here: Runner, terminal: Terminal):
    token = issued(here, 3)
    refused = terminal.flask_with_a_person("n", "tokens", "revoke", token)
    assert refused.code == 1 and "close the connections" in refused.out
    assert here.flask("tokens", "inspect", token, "--json").json()["code"] == "accepted"
    assert terminal.flask_with_a_person("", "tokens", "revoke", token, "--yes").code == 0
    assert here.flask("tokens", "inspect", token, "--json").json()["code"] == "token_revoked"


def test_what_cannot_be_revoked_is_refused_in_a_sentence(here: Runner):
    here.flask("tokens", "revoke", "1|" + "a" * 40).refused("opens nothing anyway")
    here.flask("tokens", "revoke", "a.b.c").refused("opens nothing anyway", "token_malformed")


def test_the_audit_log_names_who_issued_and_revoked_and_holds_no_token(
    here: Runner, server: Application, rows
):
    token = issued(here, 4)
    here.flask("tokens", "revoke", token).succeeded()
    written = rows(
        "SELECT actor, action, target, outcome, detail FROM rt_audit_log WHERE action LIKE 'token.%'"
    )
    assert ("token.issue", "user:4") in {row[1:3] for row in written}
    assert "token.revoke" in {row[1] for row in written}
    assert all(row[0].startswith("cli:") for row in written)
    assert token not in str(written)


def test_a_client_with_an_issued_token_is_who_it_was_issued_for(browser, here: Runner):
    client: BrowserClient = browser(4)
    [mine] = [row for row in here.flask("clients", "list", "--json").json() if row["sid"] == client.id]
    assert (mine["user_id"], mine["kind"]) == (4, "jwt")
