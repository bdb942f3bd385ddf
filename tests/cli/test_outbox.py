"""``flask outbox``, and what the doctor says of it."""

import sqlite3
from contextlib import closing

import pytest

from .conftest import running_here, settings_in
from .terminal import Runner, widest


@pytest.fixture
def site(tmp_path):
    """Run SQL on Laravel's database."""

    def run(sql: str, *parameters: object) -> list[tuple]:
        with closing(sqlite3.connect(tmp_path / "laravel.sqlite")) as database:
            rows = database.execute(sql, parameters).fetchall()
            database.commit()
            return rows

    return run


@pytest.fixture
def runner(tmp_path):
    url = f"sqlite:///{tmp_path / 'laravel.sqlite'}"
    with running_here(settings_in(str(tmp_path / "own"), LARAVEL_DATABASE_URL=url, OUTBOX="on")) as runner:
        runner.flask("db", "upgrade").succeeded()
        yield runner


@pytest.fixture
def made(runner: Runner, site) -> Runner:
    """With the table that ``flask outbox sql`` prints."""
    for statement in runner.flask("outbox", "sql").succeeded().out.split(";\n"):
        site(statement)
    return runner


def dead_letter(site, channels: str = "nowhere") -> int:
    site(
        "INSERT INTO rt_outbox (channels, event, data, state, code, reason)"
        " VALUES (?, 'news', '1', 'dead', 'channel_unknown', 'There is no such channel.')",
        channels,
    )
    return site("SELECT max(id) FROM rt_outbox")[0][0]


def doctor(runner: Runner) -> dict:
    findings = runner.flask("doctor", "--json").json()["findings"]
    return next(finding for finding in findings if finding["name"] == "outbox")


def test_status_says_how_much_waits_and_since_when(made: Runner, site):
    assert "nothing" in made.flask("outbox", "status").succeeded().out
    site(
        "INSERT INTO rt_outbox (channels, event, data, created_at) VALUES"
        " ('public.a', 'news', '1', strftime('%Y-%m-%d %H:%M:%f', 'now', '-3 minutes'))"
    )
    dead_letter(site)
    assert "1 row, the first for 3 min" in made.flask("outbox", "status").succeeded().out
    told = made.flask("outbox", "status", "--json").succeeded().json()
    assert 180 <= told.pop("lag") < 190
    assert told == {"on": True, "pending": 1, "dead": 1}


def test_the_dead_are_listed_with_their_reasons_and_one_may_try_again(made: Runner, site, tmp_path):
    assert "no dead letters" in made.flask("outbox", "dead").succeeded().err
    row_id = dead_letter(site, "x" * 300)
    shown = made.flask("outbox", "dead").succeeded()
    assert "There is no such" in shown.out and widest(shown.said) <= 80
    [letter] = made.flask("outbox", "dead", "--json").succeeded().json()
    assert (letter["id"], letter["code"], letter["event"]) == (row_id, "channel_unknown", "news")
    assert letter["channels"] == "x" * 300
    made.flask("outbox", "retry", str(row_id)).succeeded()
    assert site("SELECT state, code, reason FROM rt_outbox") == [("pending", None, None)]
    with closing(sqlite3.connect(tmp_path / "own" / "mechamap.sqlite")) as own:
        assert own.execute("SELECT action, target, outcome FROM rt_audit_log").fetchall() == [
            ("outbox.retry", f"outbox:{row_id}", "ok")
        ]
    made.flask("outbox", "retry", str(row_id)).refused("No dead letter has the id")


def test_without_the_table_commands_and_doctor_say_how_to_make_it(runner: Runner):
    for command in (("status",), ("dead",), ("retry", "1")):
        runner.flask("outbox", *command).refused("flask outbox sql")
    found = doctor(runner)
    assert found["status"] == "fail" and "flask outbox sql" in found["said"]


def test_the_doctor_sees_the_table_and_the_dead(made: Runner, site):
    assert doctor(made)["status"] == "ok"
    dead_letter(site)
    assert doctor(made)["status"] == "warn"
    site("ALTER TABLE rt_outbox DROP COLUMN except_socket")
    assert doctor(made)["status"] == "fail"


def test_the_sql_is_for_the_database_that_laravel_has(runner: Runner, tmp_path):
    assert "AUTOINCREMENT" in runner.flask("outbox", "sql").succeeded().out
    url = "mysql://u:p@127.0.0.1:9/laravel"
    with running_here(settings_in(str(tmp_path / "mysql"), LARAVEL_DATABASE_URL=url)) as mysql:
        plain = mysql.flask("outbox", "sql").succeeded().out
        assert "ENGINE=InnoDB" in plain and "TRIGGER" not in plain
        told = mysql.flask("outbox", "sql", "--in-turn", "--json").succeeded().json()
        assert told["dialect"] == "mysql" and "TRIGGER" in told["sql"]
