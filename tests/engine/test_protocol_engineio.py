"""The cases of Engine.IO v4's published test suite, over both transports, with the suite's own settings.

Its refusals (no or a wrong `EIO`, `transport` or method) are in `test_polling.py`; here are the ones over
WebSocket, and the conversation itself.
"""

import json
import threading
import time

import pytest

from .conftest import HERE
from .peers import PEERS, SEPARATOR, PollingPeer, WebSocketPeer
from .wire import CLOSE, TEXT, Refused, WebSocket, frame

PATH = "/engine.io/"
INTERVAL, TIMEOUT = 0.3, 0.2


@pytest.fixture(scope="module")
def suite(serve_module):
    options = {"ping_interval": INTERVAL, "ping_timeout": TIMEOUT, "max_http_buffer_size": 1_000_000}
    return serve_module(
        {"ENGINE": json.dumps(options)},
        app="tests.engine.suite_application:engine",
        config=HERE / "gunicorn_settings.py",
    )


@pytest.fixture(params=sorted(PEERS))
def peer(request, suite):
    with PEERS[request.param](suite.port, PATH) as made:
        yield made


@pytest.fixture
def poller(suite):
    with PollingPeer(suite.port, PATH) as made:
        yield made


@pytest.fixture
def socket(suite):
    with WebSocketPeer(suite.port, PATH) as made:
        yield made


def ended(peer) -> bool:
    """Read on, answering pings, until the session has ended."""
    with pytest.raises(EOFError):
        while True:
            peer.packet()
    return True


# --- handshake ---


def test_the_handshake_has_its_five_fields(peer):
    opening = peer.opening
    assert set(opening) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert isinstance(opening["sid"], str)
    assert opening["upgrades"] == (["websocket"] if peer.transport == "polling" else [])
    assert (opening["pingInterval"], opening["pingTimeout"]) == (300, 200)
    assert opening["maxPayload"] == 1_000_000


def test_the_handshake_over_polling_is_one_packet_of_plain_text(suite):
    answer = suite.get(f"{PATH}?EIO=4&transport=polling")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("0{")
    assert SEPARATOR not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&EIO=3&transport=abc",
    ],
)
def test_a_websocket_with_a_wrong_query_is_refused(suite, query):
    with pytest.raises(Refused) as caught:
        WebSocket(suite.port, f"{PATH}?{query}")
    assert caught.value.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_no_other_method_opens_a_session(suite, method):
    answer = suite.request(method, f"{PATH}?EIO=4&transport=polling", b"" if method != "HEAD" else None)
    assert answer.status == 400


# --- message ---


@pytest.mark.parametrize(
    "packets",
    [
        ["4hello"],
        ["4test1", "4test2", "4test3"],
        ["4hello", b"\x01\x02\x03\x04"],
        [b"\x00", b"\xff\x1e\x00", "4 after"],
        ["4lone \u20ac \U0001f600 \u0000 end"],
        ["4" + "x" * 70_000],
    ],
)
def test_packets_come_back_as_they_were_sent(peer, packets):
    peer.send(*packets)
    assert [peer.packet() for _ in packets] == packets


def test_a_payload_of_text_and_binary_is_written_as_published(poller):
    assert poller.post("4hello\x1ebAQIDBA==") == (200, "ok")
    got = [poller.raw(), poller.raw()]
    assert [packet for packet in got if packet != "2"] == ["4hello", "bAQIDBA=="]


@pytest.mark.parametrize("bad", ["abc", "", "7", "0", "6", "5", "8{}", "b!", "b\u00e9", "bAP8", "é"])
def test_an_invalid_packet_ends_the_session(peer, bad):
    peer.send(bad)
    assert ended(peer)


def test_an_invalid_packet_by_post_is_a_400(poller):
    assert poller.post("abc")[0] == 400


@pytest.mark.parametrize("bad", ["4a\x1eabc", "\x1e", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b"])
def test_a_payload_with_one_bad_packet_is_refused_whole(poller, bad):
    assert poller.post(bad)[0] == 400
    assert ended(poller)


def test_a_second_poll_is_refused_and_the_first_is_told(poller):
    answers = []
    first = threading.Thread(target=lambda: answers.append(poller.poll_beside()))
    first.start()
    time.sleep(0.05)
    assert poller.get()[0] == 400
    first.join(5)
    assert answers == [(200, "1")]
    assert poller.get()[0] == 400


# --- heartbeat ---


def test_pings_are_sent_and_answered_three_times(peer):
    for _ in range(3):
        assert peer.raw() == "2"
        peer.send("3")


def test_a_session_that_does_not_pong_ends(socket):
    began = time.monotonic()
    with pytest.raises(EOFError):
        while socket.raw() == "2":
            pass
    assert time.monotonic() - began >= INTERVAL + TIMEOUT - 0.05


def test_a_polling_session_that_does_not_pong_ends(poller):
    time.sleep(2 * (INTERVAL + TIMEOUT))
    assert poller.get()[0] == 400


def test_a_client_may_not_ping_the_server_of_v4_and_stay_unanswered(peer):
    """v3 clients ping; v4 has no such packet from a client, so nothing may come back but the end."""
    peer.send("2")
    try:
        assert peer.raw() in ("2", "1")
    except EOFError:
        pass


# --- close ---


def test_a_polling_client_closes_by_packet(poller):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(poller.poll_beside()))
    waiting.start()
    time.sleep(0.05)
    assert poller.post("1") == (200, "ok")
    waiting.join(5)
    assert answers == [(200, "6")]
    assert poller.get()[0] == 400


def test_a_websocket_client_closes_by_packet(socket):
    socket.send("1")
    assert socket.close_code() in (1000, None)


# --- upgrade ---


def probe(suite, poller) -> WebSocket:
    ws = WebSocket(suite.port, f"{PATH}?EIO=4&transport=websocket&sid={poller.opening['sid']}")
    ws.send("2probe")
    assert ws.text() == "3probe"
    return ws


def echo(ws, text: str) -> list[str]:
    """Everything that came up to the echo, except pings."""
    ws.send("4" + text)
    seen = []
    while not seen or seen[-1] != "4" + text:
        packet = ws.text()
        if packet == "2":
            ws.send("3")
        else:
            seen.append(packet)
    return seen


def test_an_upgrade_moves_the_session_and_leaves_no_noop_behind(suite, poller):
    with probe(suite, poller) as ws:
        ws.send("5")
        assert echo(ws, "hello") == ["4hello"]
        assert echo(ws, "again") == ["4again"]


def test_what_was_queued_before_the_upgrade_comes_first(suite, poller):
    poller.send("4one", "4two")
    with probe(suite, poller) as ws:
        ws.send("5")
        assert echo(ws, "three") == ["4one", "4two", "4three"]


def test_polls_of_an_upgraded_session_are_refused_and_disturb_it_not(suite, poller):
    with probe(suite, poller) as ws:
        ws.send("5")
        assert echo(ws, "a") == ["4a"]
        assert poller.get()[0] == 400
        assert poller.post("4x")[0] == 400
        assert echo(ws, "b") == ["4b"]


def test_a_second_websocket_of_an_upgraded_session_is_refused_and_disturbs_it_not(suite, poller):
    with probe(suite, poller) as ws:
        ws.send("5")
        assert echo(ws, "a") == ["4a"]
        with pytest.raises(Refused):
            WebSocket(suite.port, f"{PATH}?EIO=4&transport=websocket&sid={poller.opening['sid']}")
        assert echo(ws, "b") == ["4b"]


@pytest.mark.parametrize("instead", ["2", "2Probe", "3probe", "4hello", "5", "1", ""])
def test_what_is_no_probe_is_no_upgrade(suite, poller, instead):
    with WebSocket(suite.port, f"{PATH}?EIO=4&transport=websocket&sid={poller.opening['sid']}") as ws:
        ws.send(instead)
        assert "3probe" not in list(ws.messages())
    poller.send("4still here")
    assert poller.packet() == "4still here"


@pytest.mark.parametrize("instead", ["2probe", "4hello", "3", "6", ""])
def test_a_probe_that_is_not_followed_by_the_upgrade_packet_leaves_polling_as_it_was(suite, poller, instead):
    with probe(suite, poller) as ws:
        ws.send(instead)
        assert [m for m in ws.messages() if m != "3probe"] == []
    poller.send("4still here")
    assert poller.packet() == "4still here"


def test_a_candidate_that_closes_after_its_probe_leaves_polling_as_it_was(suite, poller):
    with probe(suite, poller) as ws:
        ws.send_raw(frame(CLOSE, b"\x03\xe8"))
        assert ws.close_code() in (1000, None)
    poller.send("4still here")
    assert poller.packet() == "4still here"


def test_a_websocket_session_cannot_be_upgraded_again(suite, socket):
    with pytest.raises(Refused):
        WebSocket(suite.port, f"{PATH}?EIO=4&transport=websocket&sid={socket.opening['sid']}")
    assert echo(socket, "a") == ["4a"]


def test_upgrade_packets_on_an_open_websocket_end_it(socket):
    socket.send_raw(frame(TEXT, b"5"))
    assert ended(socket)
