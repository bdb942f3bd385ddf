"""Operations through the running server."""

import pytest

from mechamap.api.operator import STAMP_HEADER
from mechamap.cli.remote import RemoteOperations
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable, InvalidField, KeyRefused, RealtimeError
from mechamap.settings import load
from tests.services.application import Application
from tests.services.laravel_api import HTML, REDIRECT, Behaviour, LaravelApi, says

SECRET = "somebody-elses-secret-somebody-elses-secret"


@pytest.fixture
def remote(server: Application) -> RemoteOperations:
    settings = load(server.settings)
    return RemoteOperations(settings.base_url, settings.secret_key)


def test_it_sees_what_the_server_sees(remote: RemoteOperations, server: Application, browser):
    client = browser(2)
    assert [each.sid for each in remote.clients(sid=client.id)] == [client.id]
    assert client.id not in [each.sid for each in remote.clients(user_id=3)]
    assert len(remote.clients(limit=1)) == 1
    assert "private-user.2" in [each.name for each in remote.channels()]
    assert [each.pid for each in remote.workers()] == server.workers()
    assert remote.totals().connections >= 1


def test_it_publishes_and_closes(remote: RemoteOperations, browser):
    client = browser(3)
    receipt = remote.publish({"channel": "private-user.3", "event": "hello", "data": [1]}, "cli")
    assert receipt.total == 1
    assert client.wait_for("hello")[0] == [1]
    assert remote.kick(Command(Action.KICK, sid=client.id)) == 1
    client.wait_for("disconnect")


def test_the_servers_refusal_keeps_its_class_and_code(remote: RemoteOperations):
    with pytest.raises(InvalidField) as refusal:
        remote.publish({"channel": "galaxy.7", "event": "hello", "data": 1}, "cli")
    assert (refusal.value.code, refusal.value.field) == ("channel_unknown", "channel")


def test_another_secret_is_refused_in_words_for_an_operator(server: Application):
    with pytest.raises(KeyRefused, match="another SECRET_KEY than this command line"):
        RemoteOperations(server.url, SECRET).totals()


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (says(b"<html>", 404, "text/html"), r"is not this server \(HTTP 404\)"),
        (HTML, "is not this version"),
        (says({"connections": 1}), "is not this version"),
        (REDIRECT, r"is not this server \(HTTP 302\)"),
        (says({"message": "Redis is away.", "code": "broker_unavailable"}, 503), "Redis is away"),
    ],
)
def test_whatever_answers_instead_is_told_in_a_sentence(
    laravel_api: LaravelApi, behaviour: Behaviour, sentence: str
):
    laravel_api.behaviour = behaviour
    with pytest.raises(BrokerUnavailable, match=sentence):
        RemoteOperations(laravel_api.url, SECRET).totals()


def test_a_server_that_failed_is_told_as_such(laravel_api: LaravelApi):
    laravel_api.behaviour = says({"message": "Internal error", "code": "internal_error"}, 500)
    with pytest.raises(RealtimeError, match="answers 500: Internal error"):
        RemoteOperations(laravel_api.url, SECRET).totals()


def test_the_stamp_follows_no_redirect_and_no_proxy(laravel_api: LaravelApi, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    laravel_api.behaviour = says(b"", 307, Location=f"{laravel_api.url}/thief")
    with pytest.raises(BrokerUnavailable):
        RemoteOperations(laravel_api.url, SECRET).totals()
    [asked] = laravel_api.asked
    assert asked.headers[STAMP_HEADER.lower()] and SECRET not in str(asked)


def test_nothing_at_the_address_is_told_with_what_to_do():
    with pytest.raises(
        BrokerUnavailable, match="at http://127.0.0.1:9: nothing listens there. Start it with `make run`"
    ):
        RemoteOperations("http://127.0.0.1:9", SECRET).workers()
