"""``flask explain`` and ``flask watch``, through the running server."""

import json
import threading

from tests.services.application import Application
from tests.services.laravel_api import says

from .conftest import KEY, running_here
from .terminal import Outcome, Runner, Terminal


def publish(server: Application, channel: str, event: str) -> dict:
    body = {"channel": channel, "event": event, "data": {"word": "rhubarb"}}
    return server.post("/api/broadcast", body, headers={"X-API-Key": KEY}).json()


def test_an_event_is_explained_by_its_position(here: Runner, server: Application, browser):
    client = browser(2)
    sent = publish(server, "private-user.2", "explained")
    client.wait_for("explained")
    position = f"{sent['epoch']}.{sent['offset']}"
    told = here.flask("explain", "event", "2", position, "--json").succeeded().json()
    assert told["outcome"] in ("written", "received")
    traces = {at["trace"]["sid"]: at["trace"]["outcome"] for at in told["connections"]}
    assert traces[client.id] == told["outcome"]
    printed = here.flask("explain", "event", "2", position).succeeded().out
    assert "explained" in printed and "rhubarb" not in printed


def test_an_event_that_did_not_reach_the_user_ends_with_a_code_of_its_own(here: Runner, server):
    sent = publish(server, "private-user.9", "unheard")
    done = here.flask("explain", "event", "9", sent["id"], "--json")
    assert (done.code, done.json()["outcome"]) == (3, "no_connection")
    assert here.flask("explain", "event", "9", "0" * 32).code == 3


def test_what_names_no_event_is_refused_in_a_sentence(here: Runner):
    here.flask("explain", "event", "9").refused("Name the event")
    here.flask("explain", "event", "9", "--at", "noon").refused("A time looks like")


def test_joining_and_tokens_are_explained_here_too(here: Runner):
    told = here.flask("explain", "join", "2", "private-user.3", "--json").succeeded().json()
    assert told["code"] == "not_owner"
    told = here.flask("explain", "token", "a.b.c", "--json").succeeded().json()
    assert [check["passed"] for check in told["checks"]] == ["passed", "failed"]


def test_laravel_is_asked_in_the_users_name_where_it_decides(laravel_api, server: Application):
    more = {"LARAVEL_API_URL": laravel_api.url, "CHANNEL_AUTH": "laravel", "CACHE_SECONDS": "0"}
    with running_here({**server.settings, **more}) as runner:
        token = runner.flask("tokens", "issue", "2").succeeded().out.strip()
        asked = ("explain", "join", "2", "private-orders.7")
        told = runner.flask(*asked, "--json").succeeded().json()
        assert (told["decided_by"], told["asked"], told["allowed"]) == ("laravel", False, False)
        assert "--token" in runner.flask(*asked).succeeded().err
        assert laravel_api.asked == []
        laravel_api.route("POST", "/broadcasting/auth", says(True))
        told = runner.flask(*asked, "--token", "-", "--json", stdin=token).succeeded().json()
        assert (told["asked"], told["allowed"]) == (True, True)
        [question] = laravel_api.asked
        assert question.headers["authorization"] == f"Bearer {token}"
        other = ("explain", "join", "3", "private-orders.7", "--token", "-")
        runner.flask(*other, stdin=token).refused("another user")
        assert len(laravel_api.asked) == 1


def test_what_happens_is_watched_line_by_line_without_payloads(terminal: Terminal, server: Application):
    done: list[Outcome] = []
    about = ("--json", "--seconds", "1", "--user", "3", "--kind", "event")
    watch = threading.Thread(target=lambda: done.append(terminal.flask("watch", *about)))
    watch.start()
    while watch.is_alive():
        publish(server, "private-user.3", "seen")
        publish(server, "private-user.2", "unseen")
        watch.join(0.1)
    records = [json.loads(line) for line in done[0].succeeded().out.splitlines()]
    assert {(record["event"], *record["channels"]) for record in records} == {("seen", "private-user.3")}
    assert len({record["id"] for record in records}) == len(records)
    assert "rhubarb" not in done[0].said
