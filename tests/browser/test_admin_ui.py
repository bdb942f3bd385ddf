"""The public Socket.IO Admin UI's protocol, spoken by the stock client to the guarded namespace."""

import json
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.services.node import NodeError
from tests.services.processes import wait_until

from .place import Place, Seeded, flask

LOOKING = ["AGGREGATED_EVENTS", "ALL_EVENTS"]
ACTING = ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MDISCONNECT", *LOOKING]


@pytest.fixture(scope="module")
def place(serve_module, seeded: Seeded) -> Place:
    return seeded.place(serve_module, ADMIN_UI="on", RATE_LIMITS="off")


@pytest.fixture
def ui(place, node_client):
    """Connects an admin UI of this operator."""

    def connect(login: str = place.login, transport: str = "websocket", **auth: str):
        auth = auth or {"username": login, "password": place.password}
        return node_client().connect(f"{place.url}/admin", auth=auth, transports=[transport])

    return connect


@pytest.fixture
def browser(place, node_client):
    """A browser of the site."""

    def connect(user_id: int):
        token = flask(place.server.settings, "tokens", "issue", str(user_id)).strip()
        found = node_client().connect(place.url, auth={"token": token}, transports=["websocket"])
        found.wait_for("connected")
        return found

    return connect


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_operator_sees_servers_and_sockets_and_what_changes(ui, browser, transport):
    before = browser(2)
    admin = ui(transport=transport)
    assert admin.wait_for("config") == [{"supportedFeatures": ACTING}]
    [sockets] = admin.wait_for("all_sockets")
    [socket] = [socket for socket in sockets if socket["id"] == before.id]
    assert socket["nsp"] == "/" and socket["transport"] == "websocket"
    assert socket["data"]["userId"] == 2
    assert socket["rooms"] == [before.id, "private-user.2"]
    assert "cookie" not in str(socket["handshake"])
    [stats] = admin.wait_for("server_stats")
    assert stats["clientsCount"] >= 1 and stats["namespaces"][0]["name"] == "/"

    later = browser(3)
    sid = later.id
    later.emit_ack("subscribe", {"channel": "public.watched"})
    later.emit_ack("unsubscribe", {"channel": "public.watched"})
    later.disconnect()
    while admin.wait_for("room_left")[1:3] != ["private-user.3", sid]:
        pass  # others may leave too
    assert ["/", sid] in [args[:2] for args in admin.events("socket_disconnected")]
    [connected] = [args[0] for args in admin.events("socket_connected") if args[0]["id"] == sid]
    assert connected["data"] == {"userId": 3, "name": None, "role": None, "token": None}
    joined = [args[:2] for args in admin.events("room_joined") if args[2] == sid]
    assert joined == [["/", "private-user.3"], ["/", "public.watched"]]
    left = [args[:2] for args in admin.events("room_left") if args[2] == sid]
    assert left == [["/", "public.watched"], ["/", sid], ["/", "private-user.3"]]


def test_an_operator_acts_and_leaves_a_trail(ui, place, browser):
    client, admin = browser(2), ui()
    assert admin.emit_ack("join", "/", "public.joined", client.id) == {"success": True}
    client.wait_for("subscribed")
    assert admin.emit_ack("emit", "/", "public.joined", "hello", {"n": 1}) == {"success": True}
    assert client.wait_for("hello")[0] == {"n": 1}
    assert admin.emit_ack("leave", "/", "public.joined", client.id) == {"success": True}
    client.wait_for("unsubscribed")
    assert admin.emit_ack("_disconnect", "/", True, client.id) == {"success": True}
    assert client.wait_for("force_disconnect")[0]["code"] == "operator"
    trail = place.operator().get("/admin/audit/export").text.splitlines()
    recorded = [row["action"] for row in map(json.loads, trail) if row["detail"].startswith("Admin UI")]
    acts = ["connection.close", "channel.leave", "event.publish", "channel.join", "console.signin"]
    assert recorded[: len(acts)] == acts


def test_odd_commands_are_refused_and_leave_a_trail_too(ui, place):
    admin = ui()
    refused = [
        (("emit", "/", None, "hello"), "channel_required"),
        (("emit", "/other", "public.x", "hello"), "namespace_unknown"),
        (("emit", "/", "public.x", "connected", {}), "event_reserved"),
        (("emit", "/"), "arguments_invalid"),
        (("join", "/", "public.x", "1.1"), "not_connected"),
        (("_disconnect", "/", True), "filter_required"),
        (("_disconnect", "/", True, ["a"]), "filter_required"),
    ]
    for command, code in refused:
        assert admin.emit_ack(*command)["code"] == code, command
    assert "namespace_unknown" in place.operator().get("/admin/audit/").text


def test_a_viewer_looks_only(ui, place):
    viewer = ui("dung@mechamap.test")
    assert viewer.wait_for("config") == [{"supportedFeatures": LOOKING}]
    assert viewer.emit_ack("emit", "/", "public.x", "hello", {})["code"] == "permission_missing"


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"username": "anna@mechamap.test", "password": "wrong"},
        {"sessionId": "x" * 43},
        {"username": ["a"]},
    ],
    ids=["nothing", "a wrong password", "a made-up session", "odd types"],
)
def test_a_stranger_is_refused_as_the_ui_expects(place, node_client, auth):
    refusal = node_client().connect_error(f"{place.url}/admin", auth=auth, transports=["websocket"])
    assert refusal["message"] == "invalid credentials"


def test_a_user_of_the_site_is_no_operator(place, node_client):
    auth = {"username": "binh@mechamap.test", "password": place.password}
    refusal = node_client().connect_error(f"{place.url}/admin", auth=auth)
    assert refusal["data"]["code"] in ("role_too_low", "credentials_invalid")


def test_a_session_lets_in_again_until_it_is_ended_in_the_console(ui, place):
    admin = ui()
    [secret] = admin.wait_for("session")
    admin.disconnect()
    again = ui(sessionId=secret)
    again.wait_for("config")
    assert again.events("session") == []
    operator = place.operator()
    people = operator.get("/admin/people/").text
    assert "session" in people
    change(place, "UPDATE rt_console_sessions SET ended_at = '2026-01-01', ended_why = 'session_revoked'")
    assert again.emit_ack("emit", "/", "public.x", "hello", {})["code"] == "session_revoked"
    with pytest.raises(NodeError, match="invalid credentials"):
        ui(sessionId=secret)


def test_another_password_ends_a_connected_ui_and_its_session(ui, place, node_client):
    admin = ui("dung@mechamap.test")
    [secret] = admin.wait_for("session")
    change(
        place, "UPDATE users SET password = (SELECT password || ' anew' FROM users WHERE id = 1) WHERE id = 4"
    )
    admin.wait_for("disconnect", timeout=15)
    auth = {"sessionId": secret}
    refusal = node_client().connect_error(f"{place.url}/admin", auth=auth, transports=["websocket"])
    change(place, "UPDATE users SET password = (SELECT password FROM users WHERE id = 1) WHERE id = 4")
    assert (refusal["message"], refusal["data"]["code"]) == ("invalid credentials", "password_changed")


def change(place: Place, statement: str) -> None:
    path = f"{place.server.settings['INSTANCE_PATH']}/mechamap.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_without_the_setting_the_namespace_is_not_there(serve, seeded, node_client):
    place = seeded.place(serve, RATE_LIMITS="off")
    refusal = node_client().connect_error(f"{place.url}/admin", auth={"username": "a", "password": "b"})
    assert refusal["message"] == "Invalid namespace"


@pytest.fixture
def clustered(serve, seeded, redis_server) -> Place:
    return seeded.place(
        serve,
        ADMIN_UI="on",
        RATE_LIMITS="off",
        REDIS_URL=redis_server.url,
        WEB_CONCURRENCY="2",
        MAX_CONNECTIONS_PER_USER="0",
    )


def test_it_shows_all_workers_and_who_died_with_one(clustered, node_client):
    auth = {"username": clustered.login, "password": clustered.password}
    admin = node_client().connect(f"{clustered.url}/admin", auth=auth, transports=["websocket"])

    def pids() -> dict[str, int]:
        """By slot, as ids begin with it: from 1."""
        told = [stats for [stats] in admin.events("server_stats")]
        return {str(int(stats["serverId"].rpartition("#")[2]) + 1): stats["pid"] for stats in told}

    wait_until(lambda: set(pids().values()) == set(clustered.server.workers()), "both workers to be told of")
    token = flask(clustered.server.settings, "tokens", "issue", "2").strip()
    there: set[str] = set()
    while len({sid[0] for sid in there}) < 2:
        assert len(there) < 100, "one worker takes all connections"
        client = node_client().connect(clustered.url, auth={"token": token}, transports=["websocket"])
        client.wait_for("connected")
        there.add(client.id)
    doomed = {sid for sid in there if sid[0] != admin.id[0]}

    def shown() -> set[str]:
        came = {socket["id"] for [socket, _] in admin.events("socket_connected")}
        return came - {args[1] for args in admin.events("socket_disconnected")}

    wait_until(lambda: there <= shown(), "all clients to be told of")
    os.kill(next(pid for slot, pid in pids().items() if slot != admin.id[0]), signal.SIGKILL)
    wait_until(lambda: not doomed & shown(), "those of the dead worker to be gone", timeout=40)
    assert there - doomed <= shown()


def test_a_channel_has_one_name_however_it_was_asked_for(ui, browser):
    client = browser(2)
    client.emit_ack("subscribe", {"channel": "thread.1"})
    admin = ui()
    [sockets] = admin.wait_for("all_sockets")
    [socket] = [socket for socket in sockets if socket["id"] == client.id]
    assert socket["rooms"] == [client.id, "private-user.2", "presence-thread.1"]
    client.emit_ack("unsubscribe", {"channel": "thread.1"})
    while admin.wait_for("room_left")[2] != client.id:
        pass
    left = [args[1] for args in admin.events("room_left") if args[2] == client.id]
    assert left == ["presence-thread.1"]


def test_guesses_are_throttled(serve, seeded, node_client):
    place = seeded.place(serve, ADMIN_UI="on", RATE_LIMITS="on")
    codes = []
    for _ in range(15):
        auth = {"username": place.login, "password": "wrong"}
        codes.append(node_client().connect_error(f"{place.url}/admin", auth=auth)["data"]["code"])
        if codes[-1] == "rate_limited":
            break
    assert codes[-1] == "rate_limited"
