"""`serializer='msgpack'`: the stock client with its msgpack parser, and packets that break the rules."""

import msgspec
import pytest
from socketio import packet as sio

from mechamap.engine.msgpack import MsgPackPacket
from mechamap.engine.receiver import PacketError

from .conftest import start
from .wire import BINARY, Client, frame

ORIGIN = {"extraHeaders": {"Origin": "http://good.test"}}


@pytest.fixture(scope="module")
def packed(serve_module):
    return start(serve_module, {"serializer": "msgpack"})


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_the_stock_client_talks_both_ways(packed, node_client, transports):
    client = node_client().connect(
        packed.url, transports=transports, auth={"wish": "x"}, parser="msgpack", **ORIGIN
    )
    assert client.wait_for("hello") == ["x"]
    assert client.emit_ack("echo", b"\x00\xff") == b"\x00\xff"
    assert client.emit_ack("echo", {"deep": [1, None, "é"]}) == {"deep": [1, None, "é"]}
    packed.application.request("POST", "/deliver-binary", b"\x01")
    assert client.wait_for("blob") == [b"\x01", {"more": b"\x00\xff"}]


def test_a_refusal_reaches_the_stock_client(packed, node_client):
    error = node_client().connect_error(packed.url, auth={"wish": "refusal"}, parser="msgpack", **ORIGIN)
    assert (error["message"], error["data"]) == ("Unauthorized", {"code": "token_invalid"})


@pytest.mark.parametrize("data", ["40", b"\xc1", msgspec.msgpack.encode({"type": 0})])
def test_a_malformed_packet_ends_its_session_only(packed, data):
    with Client(packed.port) as client:
        client.send(data) if isinstance(data, str) else client.send_raw(frame(BINARY, data))
        assert client.close_code() == 1008


def encoded(**fields):
    return msgspec.msgpack.encode({"type": sio.EVENT, "nsp": "/", **fields})


@pytest.mark.parametrize(
    "data",
    [
        encoded(data=["connect"]),
        encoded(data=[]),
        encoded(data="text"),
        encoded(data=[1]),
        encoded(type=5, data=["x"]),
        encoded(type=-1, data=["x"]),
        encoded(type="2", data=["x"]),
        encoded(nsp="/" + "x" * 200, data=["x"]),
        encoded(id=10**15, data=["x"]),
        encoded(id=-1, data=["x"]),
        encoded(type=sio.CONNECT, data=["x"]),
        encoded(type=sio.ACK, data=["x"]),
        b"\x91" * 500 + b"\x00",
        b"",
    ],
)
def test_what_breaks_a_rule_is_a_packet_error(data):
    with pytest.raises(PacketError):
        MsgPackPacket().decode(data)


def test_nesting_has_the_same_limit_as_in_text():
    nested = None
    for _ in range(40):
        nested = [nested]
    with pytest.raises(PacketError, match="levels"):
        MsgPackPacket().decode(encoded(data=["x", nested]))


def test_what_has_no_msgpack_is_a_value_error():
    for value in (object(), 2**70):
        with pytest.raises(ValueError, match="MessagePack"):
            MsgPackPacket(sio.EVENT, data=["x", value]).encode()
