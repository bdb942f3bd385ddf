"""The stock Socket.IO client can be driven from Python, over both transports."""

from collections.abc import Callable

import pytest

from .application import Application
from .browser_client import BrowserClient
from .node import NodeError, NodeProcess

MakeClient = Callable[[], BrowserClient]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_client_connects_and_hears_its_echo(
    echo_server: Application, node_client: MakeClient, transport: str
) -> None:
    client = node_client().connect(echo_server.url, transports=[transport])
    client.emit("echo", "đai ốc", {"size": 8})
    assert client.wait_for("echoed") == ["đai ốc", {"size": 8}]
    assert client.transport() == transport
    assert client.connected()


def test_an_acknowledgement_comes_back_and_bytes_travel_both_ways(
    echo_server: Application, node_client: MakeClient
) -> None:
    client = node_client().connect(echo_server.url)
    assert client.emit_ack("echo", b"\x00\xff") == b"\x00\xff"


def test_the_client_acknowledges_a_question_of_the_server(
    echo_server: Application, node_client: MakeClient
) -> None:
    client = node_client().connect(echo_server.url)
    client.reply("question", "M8", 42)
    client.emit("ask", "which thread?")
    assert client.wait_for("answered") == ["M8", 42]


def test_a_refusal_shows_the_servers_message_and_data(
    echo_server: Application, node_client: MakeClient
) -> None:
    error = node_client().connect_error(echo_server.url, auth={"token": "wrong"})
    assert error["message"] == "Unauthorized"
    assert error["data"] == {"code": "token_invalid"}


def test_a_server_that_is_not_there_is_a_transport_error(node_client: MakeClient) -> None:
    assert node_client().connect_error("http://127.0.0.1:9")["type"] == "TransportError"


def test_waiting_consumes_events_in_order_and_looking_does_not(
    echo_server: Application, node_client: MakeClient
) -> None:
    client = node_client().connect(echo_server.url)
    client.emit_many([["echo", 1], ["echo", 2], ["echo", 3]])
    assert client.wait_for_many("echoed", 2) == [[1], [2]]
    assert client.wait_for("echoed") == [3]
    assert client.events("echoed") == [[1], [2], [3]]
    with pytest.raises(NodeError, match=r"no echoed within 50 ms; received so far: \[\"connect\""):
        client.wait_for("echoed", timeout=0.05)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_dropped_client_reconnects_by_itself_when_asked_to(
    echo_server: Application, node_client: MakeClient, transport: str
) -> None:
    client = node_client().connect(
        echo_server.url, transports=[transport], reconnection=True, reconnectionDelay=20
    )
    client.drop()
    assert client.wait_for("disconnect") == ["transport close"]
    client.wait_for("connect")
    assert client.wait_for("manager:reconnect") == [1]


def test_a_client_that_left_stays_away_until_told_to_reconnect(
    echo_server: Application, node_client: MakeClient
) -> None:
    client = node_client().connect(echo_server.url)
    first = client.id
    client.disconnect()
    assert client.wait_for("disconnect") == ["io client disconnect"]
    assert not client.connected()
    client.reconnect()
    assert client.id not in (None, first)


def test_an_unknown_command_is_refused_and_the_process_lives(node_driver: NodeProcess) -> None:
    for _ in range(2):
        with pytest.raises(NodeError, match="unknown command dance"):
            node_driver.call("dance")
