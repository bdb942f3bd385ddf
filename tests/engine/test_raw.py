"""Raw Engine.IO: the drop-in for engineio.Server, behind the real worker and under engineio.WSGIApp."""

import json
import signal

import pytest

from mechamap.engine import Server

from .conftest import HERE
from .wire import BINARY, Client, Refused, frame

PATH = "/custom/path/?EIO=4&transport=websocket"


@pytest.fixture(scope="module")
def raw(serve_module):
    return serve_module(
        {"ENGINE": json.dumps({"ping_interval": 0.5, "ping_timeout": 1})},
        app="tests.engine.raw_application:app",
        config=HERE / "gunicorn_settings.py",
        tracebacks=True,
    )


@pytest.fixture
def client(raw):
    with Client(raw.port, PATH) as made:
        assert made.packet() == "4welcome"
        yield made


def test_what_connect_sends_follows_the_handshake_and_messages_are_echoed(client):
    assert client.opening["pingInterval"] == 500
    client.send("4hello")
    assert client.packet() == "4hello"


def test_json_and_bytes_arrive_decoded_and_numbers_as_text(client):
    for sent, back in (('{"a":[1]}', '{"a":[1]}'), ("123", "123"), ("[1", "[1")):
        client.send("4" + sent)
        assert client.packet() == "4" + back
    client.send_raw(frame(BINARY, b"\x00\xff"))
    assert client.packet() == b"\x00\xff"


def test_messages_of_one_client_are_handled_in_order(client):
    for number in range(200):
        client.send(f"4message {number}")
    assert [client.packet() for _ in range(200)] == [f"4message {n}" for n in range(200)]


def test_the_transport_and_the_session_are_as_documented(client):
    client.send("4transport")
    assert client.packet() == "4websocket"
    for count in ("1", "2"):
        client.send("4remember")
        assert client.packet() == "4" + count


def test_disconnect_ends_it_and_the_handler_hears_why(raw, client):
    client.send("4bye")
    assert client.close_code() == 1000
    with Client(raw.port, PATH) as witness:
        witness.packet()
        witness.send("4happened")
        state = json.loads(witness.packet()[1:])
    assert [client.opening["sid"], "server disconnect"] in state["happened"]


@pytest.mark.parametrize(("how", "body"), [("politely", '"not you"'), ("crash", '"Unauthorized"')])
def test_a_refused_connection_is_a_401_with_the_reason(raw, how, body):
    with pytest.raises(Refused) as caught:
        Client(raw.port, f"{PATH}&refuse={how}")
    assert (caught.value.status, caught.value.body) == (401, body)


def test_polling_works_and_other_paths_are_the_applications(raw):
    opening = raw.get("/custom/path/?EIO=4&transport=polling").text
    assert "4welcome" in opening
    sid = json.loads(opening.split("\x1e")[0][1:])["sid"]
    path = f"/custom/path/?EIO=4&transport=polling&sid={sid}"
    assert raw.request("POST", path, b"4hi").text == "ok"
    assert raw.get(path).text == "4hi"
    assert raw.get("/health").text == "ok"


def test_sigterm_sends_its_clients_away_too(serve):
    server = serve(
        {"ENGINE": "{}"}, app="tests.engine.raw_application:app", config=HERE / "gunicorn_settings.py"
    )
    with Client(server.port, PATH) as client:
        server.process.send_signal(signal.SIGTERM)
        assert client.close_code() == 1001
    server.process.wait(8)


@pytest.mark.parametrize("option", [{"monitor_clients": False}, {"async_mode": "threading"}, {"pings": 1}])
def test_options_that_cannot_be_honoured_are_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        Server(**option)


def test_a_handler_in_the_old_style_hears_no_reason():
    server, heard = Server(), []
    server.on("disconnect", lambda sid: heard.append(sid))

    class Ended:
        sid, close_reason = "1.2", "ping timeout"

    server.ended(Ended())
    assert heard == ["1.2"]
