"""``flask apps``."""

import pytest

from mechamap.domain.pusher_signature import AppKey
from tests.pusher.conftest import Caller
from tests.services.application import Application

from .conftest import running_here, settings_in
from .terminal import Runner, widest


def publish(server: Application, app_id: str, pair: AppKey) -> int:
    return Caller(server.request, app_id, pair.key, pair.secret).event().status


def test_a_new_app_publishes_and_its_secret_is_all_of_stdout(here: Runner, server: Application, eventually):
    made = here.flask("apps", "create", "laravel").succeeded()
    secret = made.out.strip()
    assert len(secret) >= 32 and "\n" not in secret and secret not in made.err
    told = dict(line.split("=", 1) for line in made.err.splitlines() if "=" in line)
    pair = AppKey(told["PUSHER_APP_KEY"], secret)
    eventually(lambda: publish(server, told["PUSHER_APP_ID"], pair) == 200)


def test_an_app_that_moves_here_keeps_its_id_key_and_secret(
    here: Runner, server: Application, eventually, tmp_path
):
    secret = tmp_path / "secret"
    secret.write_text("secret-of-the-old-server\n")
    given = ("--id", "old-id", "--key", "old-key", "--secret-file", str(secret), "--legacy", "--json")
    made = here.flask("apps", "create", "moved", *given).succeeded().json()
    assert (made["app_id"], made["key"], made["secret"], made["legacy"]) == (
        "old-id", "old-key", "secret-of-the-old-server", True,
    )  # fmt: skip
    pair = AppKey("old-key", "secret-of-the-old-server")
    eventually(lambda: publish(server, "old-id", pair) == 200)


def test_the_list_never_shows_a_secret(here: Runner):
    made = here.flask("apps", "create", "listed", "--json").succeeded().json()
    shown, told = here.flask("apps", "list").succeeded(), here.flask("apps", "list", "--json").succeeded()
    assert "listed" in shown.out and made["key"] in shown.out and widest(shown.said) <= 80
    assert made["secret"] not in shown.said + told.said
    assert made["app_id"] in [row["app_id"] for row in told.json()]


def test_keys_are_changed_in_two_steps(here: Runner):
    first = here.flask("apps", "create", "changing", "--json").succeeded().json()
    second = here.flask("apps", "rotate", "changing", "--json").succeeded().json()
    assert second["keys"] == [second["key"], first["key"]] and second["secret"] != first["secret"]
    here.flask("apps", "rotate", "changing", "--finish").refused("'changing'", "--yes", code=2)
    done = here.flask("apps", "rotate", "changing", "--finish", "--yes", "--json").succeeded().json()
    assert done["keys"] == [second["key"]] and "secret" not in done
    same = here.flask("apps", "rotate", first["app_id"], "--same-key", "--json").succeeded().json()
    assert same["key"] == second["key"] and same["secret"] != second["secret"]


def test_an_app_is_disabled_enabled_and_deleted_but_not_unasked(here: Runner):
    made = here.flask("apps", "create", "switched", "--json").succeeded().json()
    for command in ("disable", "delete"):
        here.flask("apps", command, "switched").refused("'switched'", "--yes", code=2)
    assert here.flask("apps", "disable", "switched", "--yes", "--json").succeeded().json()["enabled"] is False
    assert here.flask("apps", "enable", "switched", "--json").succeeded().json()["enabled"] is True
    assert "is deleted" in here.flask("apps", "delete", made["app_id"], "--yes").succeeded().out
    here.flask("apps", "delete", "switched", "--yes").refused("No app", "'switched'")


@pytest.mark.parametrize("command", [("rotate",), ("enable",), ("disable", "--yes"), ("delete", "--yes")])
def test_an_unknown_app_is_refused_in_a_sentence(here: Runner, command):
    here.flask("apps", command[0], "nobody", *command[1:]).refused("No app", "'nobody'")


def test_what_is_taken_or_malformed_is_refused_in_a_sentence(here: Runner, tmp_path):
    here.flask("apps", "create", "taken", "--id", "taken-id").succeeded()
    here.flask("apps", "create", "taken").refused("already has", "'taken'")
    here.flask("apps", "create", "another", "--id", "taken-id").refused("already has", "'taken-id'")
    short = tmp_path / "short"
    short.write_text("hunter2")
    refusal = here.flask("apps", "create", "weak", "--secret-file", str(short)).refused("7 characters")
    assert "hunter2" not in refusal.said


def test_the_app_of_the_settings_is_named_and_left_alone(tmp_path):
    app = {"PUSHER_APP_ID": "1001", "PUSHER_APP_KEY": "key", "PUSHER_APP_SECRET": "secret-of-settings"}
    with running_here(settings_in(str(tmp_path), **app)) as runner:
        runner.flask("db", "upgrade").succeeded()
        listed = runner.flask("apps", "list").succeeded()
        assert "1001" in listed.err and "secret-of-settings" not in listed.said
        runner.flask("apps", "create", "twin", "--id", "1001").refused("PUSHER_APP_ID")


def test_an_app_of_another_secret_key_is_shown_as_what_it_is_and_mended_by_a_new_key(tmp_path):
    where = {"SECRET_KEY": "the-first-secret-key-of-the-installation"}
    with running_here(settings_in(str(tmp_path), **where)) as runner:
        runner.flask("db", "upgrade").succeeded()
        runner.flask("apps", "create", "site").succeeded()
    where["SECRET_KEY"] = "the-second-secret-key-of-the-installation"
    with running_here(settings_in(str(tmp_path), **where)) as runner:
        assert "enabled, unreadable" in runner.flask("apps", "list").succeeded().out
        runner.flask("apps", "rotate", "site").succeeded()
        assert "unreadable" not in runner.flask("apps", "list").succeeded().out


def test_what_is_done_is_in_the_audit_trail(here: Runner, rows):
    here.flask("apps", "create", "watched").succeeded()
    here.flask("apps", "disable", "watched", "--yes").succeeded()
    here.flask("apps", "delete", "watched", "--yes").succeeded()
    found = rows("SELECT action, outcome FROM rt_audit_log WHERE target = 'app:watched' ORDER BY id")
    assert found == [("app.create", "ok"), ("app.disable", "ok"), ("app.delete", "ok")]
