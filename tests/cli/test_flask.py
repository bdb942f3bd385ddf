"""``flask`` as an operator runs it: processes, exit codes, a person at a terminal, Redis."""

import pytest

from tests.services.application import Application, Serve

from .conftest import KEY, running_here, settings_in
from .terminal import Terminal, widest

NOUNS = ("broadcast", "channels", "clients", "db", "demo", "doctor", "keys", "tokens", "workers")


def test_the_help_lists_every_noun_with_one_line(terminal: Terminal):
    shown = terminal.flask("--help").succeeded().out
    lines = {line.split()[0]: line for line in shown.partition("Commands:")[2].splitlines() if line.split()}
    assert set(NOUNS) <= set(lines)
    assert all(lines[noun].rstrip().endswith(".") and "..." not in lines[noun] for noun in NOUNS)
    assert widest(shown) <= 80


def test_an_answer_ends_with_0_and_a_wrong_call_with_2(terminal: Terminal):
    assert terminal.flask("workers", "list", "--json").succeeded().json()
    terminal.flask("clients", "kick").refused("exactly one of", code=2)


def test_a_person_is_asked_and_may_say_no(terminal: Terminal, browser):
    client = browser(2)
    outcome = terminal.flask_with_a_person("n", "clients", "kick", "--user", "2")
    assert outcome.code == 1 and "Close 1 connection of user 2? [y/N]" in outcome.out
    assert client.connected()


def test_a_person_who_says_yes_sees_the_connection_go(terminal: Terminal, browser):
    client = browser(2)
    outcome = terminal.flask_with_a_person("y", "clients", "kick", "--user", "2")
    assert outcome.code == 0 and "none is left" in outcome.out
    client.wait_for("disconnect")


def test_a_malformed_setting_is_one_sentence(tmp_path):
    Terminal(settings_in(str(tmp_path), PORT="many")).flask("keys", "list").refused("PORT: is 'many'")


def test_through_redis_it_sees_and_closes_what_two_workers_hold(
    serve: Serve, redis_server, tmp_path, node_client
):
    settings = settings_in(str(tmp_path), REDIS_URL=redis_server.url, WEB_CONCURRENCY="2")
    with running_here(settings_in(str(tmp_path))) as runner:
        runner.flask("demo", "seed").succeeded()
        token = runner.flask("tokens", "issue", "2").out.strip()
    server: Application = serve(settings)
    clients = [
        node_client().connect(server.url, auth={"token": token}, transports=["websocket"]) for _ in range(4)
    ]
    for client in clients:
        client.wait_for("connected")
    terminal = Terminal(server.settings)
    outcome = terminal.flask("broadcast", "private-user.2", "hello", "[7]", "--json").succeeded()
    assert outcome.json()["subscribers"] == 4
    for client in clients:
        assert client.wait_for("hello")[0] == [7]
    told = terminal.flask("clients", "kick", "--user", "2", "--yes", "--json").succeeded().json()
    assert told == {"named": 4, "closed": 4, "open": 0}
    for client in clients:
        client.wait_for("disconnect")


@pytest.mark.parametrize(
    "arguments",
    [("broadcast", "public.x", "hello", "{}"), ("clients", "kick", "--all", "--yes")],
)
def test_without_redis_where_it_is_needed_a_command_fails_in_a_sentence(tmp_path, arguments: tuple[str, ...]):
    with running_here(settings_in(str(tmp_path))) as runner:
        runner.flask("db", "upgrade").succeeded()
    settings = settings_in(str(tmp_path), REDIS_URL="redis://:hush-hush@127.0.0.1:9/0")
    outcome = Terminal(settings).flask(*arguments).refused("Redis")
    assert "hush" not in outcome.said and len(outcome.err.splitlines()) == 1


def test_a_database_that_is_away_fails_in_a_sentence(tmp_path):
    settings = settings_in(str(tmp_path), DATABASE_URL="mysql://app:hush-hush@127.0.0.1:9/realtime")
    outcome = Terminal(settings).flask("keys", "list").refused("database does not answer")
    assert "hush" not in outcome.said and KEY not in outcome.said and len(outcome.err.splitlines()) == 1
