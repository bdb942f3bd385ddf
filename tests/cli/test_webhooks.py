"""``flask webhooks``, on the table of a server whose Laravel takes nothing, and then does."""

import json
import sqlite3
from contextlib import closing

import pytest

from mechamap.domain.webhooks import Notice
from mechamap.metrics import Metrics
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.protocol import Letter
from mechamap.webhooks.sender import Sender
from tests.pusher.conftest import APP
from tests.services.laravel_api import REDIRECT, says

from .conftest import running_here, settings_in
from .terminal import Runner, widest

EVENTS = (
    b'{"name":"channel_occupied","channel":"public.news"}',
    b'{"name":"member_added","channel":"presence-thread.7","user_id":"5"}',
)


@pytest.fixture
def url(laravel_api) -> str:
    return f"{laravel_api.url}/webhooks"


@pytest.fixture
def runner(tmp_path, url):
    with running_here(settings_in(str(tmp_path), WEBHOOK_URL=url, **APP)) as runner:
        runner.flask("db", "upgrade").succeeded()
        yield runner


@pytest.fixture
def dead(runner: Runner, url: str) -> list[int]:
    failures = runner.app.extensions["mechamap"].webhook_failures
    for number in range(3):
        failures.keep(Letter(f"{number:032x}", url, EVENTS, "webhook_status_5xx", 14))
    return list(failures.ids())


def audited(tmp_path) -> list[tuple]:
    with closing(sqlite3.connect(tmp_path / "mechamap.sqlite")) as own:
        return own.execute("SELECT action, target, outcome FROM rt_audit_log").fetchall()


def test_list_and_show_say_what_was_not_taken(runner: Runner, url: str):
    assert "No webhook was given up" in runner.flask("webhooks", "list").succeeded().err
    failures = runner.app.extensions["mechamap"].webhook_failures
    failures.keep(Letter("0" * 32, url, EVENTS, "webhook_status_5xx", 14))
    shown = runner.flask("webhooks", "list").succeeded()
    assert "webhook_status_5xx" in shown.out and widest(shown.said) <= 80
    [row] = runner.flask("webhooks", "list", "--json").succeeded().json()
    assert (row["receiver"], row["count"], row["attempts"]) == (url, 2, 14)
    shown = runner.flask("webhooks", "show", str(row["id"])).succeeded()
    assert "member_added" in shown.out and "presence-thread.7" in shown.out and widest(shown.said) <= 80
    told = runner.flask("webhooks", "show", str(row["id"]), "--json").succeeded().json()
    assert [event["name"] for event in told["events"]] == ["channel_occupied", "member_added"]
    runner.flask("webhooks", "show", "99").refused("flask webhooks list")


def test_what_laravel_takes_after_all_is_done_with(runner: Runner, dead, laravel_api, tmp_path):
    laravel_api.behaviour = says(b"", 204)
    assert "took webhook" in runner.flask("webhooks", "retry", str(dead[1])).succeeded().out
    [asked] = laravel_api.asked
    assert asked.body.endswith(b'"events":[' + b",".join(EVENTS) + b"]}")
    assert asked.headers["webhook-id"] == f"{1:032x}"
    told = runner.flask("webhooks", "retry", "--all", "--json").succeeded().json()
    assert told == {"delivered": [dead[0], dead[2]]}
    assert runner.flask("webhooks", "list", "--json").succeeded().json() == []
    assert audited(tmp_path) == [
        ("webhook.retry", f"webhook:{each}", "ok") for each in (dead[1], dead[0], dead[2])
    ]


def test_what_laravel_does_not_take_stays_and_ends_the_command(runner: Runner, dead, laravel_api, tmp_path):
    laravel_api.behaviour = says(b"", 503)
    runner.flask("webhooks", "retry", "--all").refused("stays", "503")
    assert len(laravel_api.asked) == 1
    rows = runner.flask("webhooks", "list", "--json").succeeded().json()
    assert [row["attempts"] for row in rows] == [14, 14, 15]
    assert audited(tmp_path) == [("webhook.retry", f"webhook:{dead[0]}", "webhook_status_5xx")]


def test_drop_asks_and_deletes(runner: Runner, dead, tmp_path):
    runner.flask("webhooks", "drop", str(dead[0])).refused("--yes", code=2)
    runner.flask("webhooks", "drop").refused("--all", code=2)
    runner.flask("webhooks", "drop", str(dead[0]), "--all", "--yes").refused("--all", code=2)
    runner.flask("webhooks", "drop", "99", "--yes").refused("flask webhooks list")
    runner.flask("webhooks", "drop", str(dead[0]), "--yes").succeeded()
    assert runner.flask("webhooks", "drop", "--all", "--yes", "--json").succeeded().json() == {"dropped": 2}
    assert [row[:2] for row in audited(tmp_path)] == [
        ("webhook.drop", f"webhook:{dead[0]}"),
        ("webhook.drop", "webhook:all"),
    ]


def test_test_says_what_the_receiver_answers(runner: Runner, laravel_api, url: str):
    laravel_api.behaviour = says(b"", 200)
    assert "200" in runner.flask("webhooks", "test").succeeded().out
    assert laravel_api.asked[0].json()["events"] == []
    laravel_api.behaviour = says({"message": "CSRF token mismatch."}, 419)
    failed = runner.flask("webhooks", "test", "--json")
    assert failed.code == 1
    assert failed.json() == [
        {"url": url, "code": "webhook_status_4xx", "detail": "Laravel answered 419 instead of 2xx."}
    ]


def test_status_says_where_webhooks_go(runner: Runner, dead, url: str, redis_server, tmp_path):
    assert "/metrics" in runner.flask("webhooks", "status").succeeded().out
    shared = settings_in(str(tmp_path), WEBHOOK_URL=url, REDIS_URL=redis_server.url, **APP)
    with running_here(shared) as beside:
        told = beside.flask("webhooks", "status", "--json").succeeded().json()
        assert told["dead"] == 3 and told["events"][0] == "channel_occupied"
        assert told["receivers"] == [{"url": url, "events": 0, "age": 0.0, "failure": None}]
        assert "nothing" in beside.flask("webhooks", "status").succeeded().out


def test_letters_of_a_receiver_that_moved_go_to_the_new_one(dead, laravel_api, url: str, tmp_path):
    laravel_api.behaviour = says(b"", 200)
    moved = settings_in(str(tmp_path), WEBHOOK_URL=f"{url}/new", **APP)
    with running_here(moved) as runner:
        runner.flask("webhooks", "retry", str(dead[0])).succeeded()
    assert laravel_api.asked[0].path == "/webhooks/new"
    several = settings_in(str(tmp_path), WEBHOOK_URL=f"{url}/a,{url}/b", **APP)
    with running_here(several) as runner:
        runner.flask("webhooks", "retry", str(dead[1])).refused("no longer", "drop")


def test_without_a_receiver_the_commands_say_so(tmp_path):
    with running_here(settings_in(str(tmp_path))) as runner:
        runner.flask("db", "upgrade").succeeded()
        assert "WEBHOOK_URL" in runner.flask("webhooks", "status").succeeded().err
        assert runner.flask("webhooks", "status", "--json").succeeded().json()["on"] is False
        runner.flask("webhooks", "test").refused("WEBHOOK_URL")


def test_from_a_receiver_that_is_down_to_a_letter_to_laravel_after_all(runner: Runner, laravel_api, url: str):
    failures = runner.app.extensions["mechamap"].webhook_failures
    [delivery] = runner.app.extensions["mechamap"].webhooks.deliveries
    queues = MemoryQueues([delivery.name])
    sender = Sender(delivery.name, delivery.send, queues, failures, Metrics(), url=url, give_up=0.0)
    queues.add([Notice(event) for event in EVENTS])
    laravel_api.behaviour = says(b"", 502)
    sender.step()
    [row] = runner.flask("webhooks", "list", "--json").succeeded().json()
    assert (row["count"], row["code"], row["attempts"]) == (2, "webhook_status_5xx", 1)
    laravel_api.behaviour = says(b"", 204)
    runner.flask("webhooks", "retry", str(row["id"])).succeeded()
    first, second = laravel_api.asked
    assert first.json()["events"] == second.json()["events"] == [json.loads(event) for event in EVENTS]
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == row["batch_id"]
    assert runner.flask("webhooks", "list", "--json").succeeded().json() == []


@pytest.mark.parametrize(
    ("answer", "status", "word"),
    [(says(b"", 200), "ok", ""), (REDIRECT, "fail", "redirects"), (says(b"", 419), "fail", "CSRF")],
    ids=["200", "302", "419"],
)
def test_the_doctor_sends_one_and_says_what_to_mend(runner: Runner, laravel_api, answer, status, word):
    laravel_api.behaviour = answer
    receiver, given_up = doctor(runner)
    assert (receiver["status"], given_up["status"]) == (status, "ok") and word in receiver["mend"]
    assert laravel_api.asked[0].json()["events"] == []


def test_the_doctor_sees_what_was_given_up(runner: Runner, dead, laravel_api):
    laravel_api.behaviour = says(b"", 200)
    assert doctor(runner)[1]["status"] == "warn" and "3 webhooks" in doctor(runner)[1]["said"]


def doctor(runner: Runner) -> list[dict]:
    findings = runner.flask("doctor", "--json").json()["findings"]
    return [finding for finding in findings if finding["area"] == "Webhooks"]
