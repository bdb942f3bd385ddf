"""The stock socket.io-client 4 against the engine, over every transport."""

import signal

import pytest

from .conftest import start

ORIGIN = {"extraHeaders": {"Origin": "http://good.test"}}


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_events_acknowledgements_and_bytes_travel_both_ways(engine, node_client, transports):
    client = node_client().connect(engine.url, transports=transports, auth={"wish": "x"}, **ORIGIN)
    assert client.wait_for("hello") == ["x"]
    assert client.emit_ack("echo", b"\x00\xff") == b"\x00\xff"
    assert engine.application.request("POST", "/deliver-binary", b"\x01\x02").json()["reached"] == 1
    assert client.wait_for("blob") == [b"\x01\x02", {"more": b"\x00\xff"}]
    assert client.transport() == transports[-1]


def test_a_burst_of_emits_over_polling_is_not_lost(engine, node_client):
    client = node_client().connect(engine.url, transports=["polling"], **ORIGIN)
    client.emit_many([["slow-then-fast", number, 0] for number in range(100)])
    assert client.wait_for_many("done", 100) == [[number] for number in range(100)]


def test_a_refusal_is_a_connect_error_with_message_and_data(engine, node_client):
    error = node_client().connect_error(engine.url, auth={"wish": "refusal"}, **ORIGIN)
    assert (error["message"], error["data"]) == ("Unauthorized", {"code": "token_invalid"})


def test_an_unknown_namespace_is_a_connect_error(engine, node_client):
    assert node_client().connect_error(engine.url + "/none", **ORIGIN)["message"] == "Invalid namespace"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_kicked_client_learns_that_the_server_meant_it(engine, node_client, transport):
    client = node_client().connect(engine.url, transports=[transport], **ORIGIN)
    engine.post(f"/close/{client.id}")
    assert client.wait_for("disconnect")[0] == "io server disconnect"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_reconnects_by_itself_when_its_worker_leaves(serve, node_client, transport):
    engine = start(serve, {"ping_timeout": 10})
    options = {"transports": [transport], "reconnection": True, "reconnectionDelay": 50, **ORIGIN}
    client = node_client().connect(engine.url, **options)
    first = client.id
    client.forget()
    engine.application.process.send_signal(signal.SIGHUP)
    # a poll that was not under way meets the new worker, which does not know the session
    assert client.wait_for("disconnect", timeout=8)[0] in ("transport close", "transport error")
    client.wait_for("connect", timeout=8)
    assert client.id != first


def test_a_client_stays_connected_through_many_heartbeats(engine, node_client):
    client = node_client().connect(engine.url, **ORIGIN)
    with pytest.raises(AssertionError):
        client.wait_for("disconnect", timeout=2)
    assert client.emit_ack("echo", 1) == 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_postponed_client_tries_again_by_itself(engine, node_client, transport):
    client = node_client()
    options = {"transports": [transport], "reconnection": True, "reconnectionDelay": 50, **ORIGIN}
    client.open(engine.url, auth={"wish": f"postponed-once-{transport}"}, **options)
    client.wait_for("connect", timeout=8)
    assert client.events("connect_error") == []
    assert client.wait_for("hello") == [f"postponed-once-{transport}"]


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"]])
def test_a_field_pid_in_the_answer_is_what_the_client_returns_with(engine, node_client, transports):
    options = {"transports": transports, "reconnection": True, "reconnectionDelay": 50, **ORIGIN}
    client = node_client().connect(engine.url, auth={"wish": "answer"}, **options)
    assert client.recovered() is False
    client.drop()
    client.wait_for("disconnect")
    client.forget()
    client.wait_for("connect", timeout=8)
    assert client.recovered() is True
