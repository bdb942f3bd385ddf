"""``flask clients`` and ``flask workers``."""

import pytest

from .terminal import Runner, widest


def test_a_connection_is_listed_with_an_id_that_can_be_copied(browser, here: Runner):
    client = browser(2)
    shown = here.flask("clients", "list").succeeded()
    assert client.id in shown.out and "2 Binh" in shown.out
    assert widest(shown.out) <= 80


def test_the_list_in_json_holds_every_field_and_no_token(browser, here: Runner):
    browser(2), browser(3)
    told = here.flask("clients", "list", "--user", "3", "--json").succeeded()
    assert {row["user_id"] for row in told.json()} == {3}
    assert {"sid", "name", "role", "worker", "transport", "address", "channels"} <= set(told.json()[0])
    assert "eyJ" not in told.out


def test_a_list_that_was_cut_says_so(browser, here: Runner):
    browser(2), browser(2)
    outcome = here.flask("clients", "list", "--limit", "1").succeeded()
    assert len(outcome.out.splitlines()) == 2
    assert "--limit shows more" in outcome.err


def test_a_kicked_user_is_gone_and_was_told_why(browser, here: Runner):
    client, other = browser(2), browser(3)
    outcome = here.flask(
        "clients", "kick", "--user", "2", "--yes", "--reason", "Maintenance at noon"
    ).succeeded()
    assert "closed; none is left" in outcome.out
    assert client.wait_for("force_disconnect") == [{"reason": "Maintenance at noon", "code": "operator"}]
    assert client.wait_for("disconnect")
    assert other.connected()
    assert here.flask("clients", "list", "--user", "2", "--json").json() == []


def test_one_connection_of_several_is_closed_by_its_id(browser, here: Runner):
    one, other = browser(2), browser(2)
    told = here.flask("clients", "kick", "--sid", one.id, "--yes", "--json").succeeded().json()
    assert told == {"named": 1, "closed": 1, "open": 0}
    one.wait_for("disconnect")
    assert other.connected()


def test_the_subscribers_of_a_channel_are_closed_and_nobody_else(browser, here: Runner):
    inside, outside = browser(2), browser(3)
    inside.emit_ack("subscribe", {"channel": "public.closing"})
    here.flask("clients", "kick", "--channel", "public.closing", "--yes").succeeded()
    inside.wait_for("disconnect")
    assert outside.connected()


def test_everyone_can_be_closed(browser, here: Runner):
    clients = [browser(2), browser(3), browser(4)]
    here.flask("clients", "kick", "--all", "--yes").succeeded()
    for client in clients:
        client.wait_for("disconnect")


def test_nobody_is_closed_unasked(browser, here: Runner):
    client = browser(2)
    here.flask("clients", "kick", "--user", "2").refused("Close 1 connection of user 2?", "--yes", code=2)
    assert client.connected()


def test_closing_nobody_is_no_error(here: Runner):
    here.flask("clients", "kick", "--user", "77").succeeded()
    assert here.flask("clients", "kick", "--sid", "1.2", "--json").succeeded().json()["named"] == 0


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--all", "--user", "2"),
        ("--user", "2", "--reason", "x" * 201),
        ("--user", "2", "--reason", "  "),
        ("--user", "0"),
    ],
)
def test_an_order_that_names_nobody_or_too_many_is_a_usage_error(here: Runner, options: tuple[str, ...]):
    here.flask("clients", "kick", *options, "--yes").refused(code=2)


def test_a_kick_is_in_the_audit_log(browser, here: Runner, rows):
    browser(4)
    here.flask("clients", "kick", "--user", "4", "--yes").succeeded()
    written = rows("SELECT actor, target, outcome FROM rt_audit_log WHERE action = 'connection.close'")
    assert ("user:4", "ok") in {row[1:] for row in written}
    assert all(row[0].startswith("cli:") for row in written)


def test_the_workers_are_those_of_the_server(server, here: Runner):
    shown, told = (
        here.flask("workers", "list").succeeded(),
        here.flask("workers", "list", "--json").succeeded(),
    )
    assert [row["pid"] for row in told.json()] == server.workers()
    assert str(server.workers()[0]) in shown.out and widest(shown.out) <= 80


@pytest.mark.parametrize("noun", ["clients", "workers", "channels"])
def test_without_a_server_a_list_fails_in_a_sentence(alone: Runner, noun: str):
    alone.flask(noun, "list", "--json").refused("does not answer at http://127.0.0.1:9", "make run")


def test_connections_are_searched_a_page_at_a_time(browser, here: Runner):
    clients = {browser(2).id, browser(2).id}
    found = here.flask("clients", "find", "binh", "--limit", "1", "--json").succeeded().json()
    assert found["matches"] == 2 and found["after"]
    rest = here.flask("clients", "find", "binh", "--after", found["after"], "--json").json()
    assert {row["sid"] for row in found["rows"] + rest["rows"]} == clients
    shown = here.flask("clients", "find", "--channel", "user.2", "--transport", "websocket").succeeded()
    assert all(sid in shown.out for sid in clients) and widest(shown.out) <= 80
    here.flask("clients", "find", "--queue", "1000000").succeeded()
    here.flask("clients", "find", "--after", "x").refused("end of a page")


def test_one_connection_is_shown_in_full(browser, here: Runner):
    client = browser(3)
    told = here.flask("clients", "show", client.id, "--json").succeeded().json()
    assert told["full"]["channels"][0]["name"] == "private-user.3"
    shown = here.flask("clients", "show", client.id).succeeded().out
    assert "private-user.3" in shown and told["full"]["token"] in shown
    here.flask("clients", "show", "1.2").refused("ended")


def test_a_blocked_user_is_out_until_let_in(browser, node_client, server, here: Runner):
    client = browser(3)
    told = here.flask("clients", "block", "3", "--for", "5m", "--yes", "--json").succeeded().json()
    assert told["connections"] == 1
    assert client.wait_for("force_disconnect")[0]["code"] == "user_blocked"
    assert "3" in here.flask("clients", "blocked").succeeded().out
    token = here.flask("tokens", "issue", "3").succeeded().out.strip()
    refusal = node_client().connect_error(server.url, auth={"token": token})
    assert refusal["data"]["code"] == "user_blocked" and refusal["data"]["until"].endswith("Z")
    here.flask("clients", "unblock", "3").succeeded()
    assert browser(3).connected()
    here.flask("clients", "unblock", "3").refused("not blocked")


def test_a_connections_token_is_revoked_without_having_it(browser, here: Runner):
    client, other = browser(3), browser(3)
    told = here.flask("clients", "revoke", client.id, "--yes", "--json").succeeded().json()
    assert told["connections"] == 1
    assert client.wait_for("force_disconnect")[0]["code"] == "token_revoked"
    assert other.connected()
