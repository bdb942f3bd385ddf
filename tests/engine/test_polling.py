"""Engine.IO over HTTP, request by request."""

import base64
import http.client
import json
import socket
import threading
import time
from contextlib import closing

import pytest

from .wire import Client, Refused, WebSocket, frame

PATH = "/socket.io/?EIO=4&transport=polling"
SEPARATOR = "\x1e"


class Poller:
    """A polling client that shows every answer."""

    def __init__(self, engine, headers=None):
        self.application = engine.application
        self.headers = headers or {}
        status, body = self.request("GET", PATH)
        assert status == 200
        opening, _, rest = body.partition(SEPARATOR)
        self.opening = json.loads(opening[1:])
        self.sid = self.opening["sid"]
        self.pending = rest.split(SEPARATOR) if rest else []

    @property
    def path(self):
        return f"{PATH}&sid={self.sid}"

    def request(self, method, path, body=None):
        answer = self.application.request(method, path, body, headers=self.headers)
        return answer.status, answer.text

    def get(self):
        return self.request("GET", self.path)

    def post(self, *packets):
        return self.request("POST", self.path, SEPARATOR.join(packets).encode())

    def packet(self):
        """The next packet that is no ping; pings are answered."""
        while True:
            while not self.pending:
                status, body = self.get()
                assert status == 200, (status, body)
                self.pending = body.split(SEPARATOR)
            if (packet := self.pending.pop(0)) != "2":
                return packet
            self.post("3")

    def join(self):
        assert self.post("40") == (200, "ok")
        answer = self.packet()
        assert answer.startswith("40{")
        return json.loads(answer[2:])["sid"]


class Waiting(threading.Thread):
    """One request that may wait for its answer."""

    def __init__(self, poller):
        super().__init__(daemon=True)
        self.poller, self.answer = poller, None
        self.start()
        time.sleep(0.1)

    def run(self):
        self.answer = self.poller.get()

    def result(self):
        self.join(5)
        return self.answer


def drained(poller):
    """Take what is queued, so that the next poll has to wait."""
    poller.packet()


# --- requests the protocol refuses ---


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/socket.io/?EIO=4", 0),
        ("GET", "/socket.io/?EIO=4&transport=carrier-pigeon", 0),
        ("GET", "/socket.io/?transport=polling", 5),
        ("GET", "/socket.io/?EIO=3&transport=polling", 5),
        ("PUT", PATH, 2),
        ("POST", PATH, 2),
        ("GET", PATH + "&sid=unknown", 1),
        ("POST", PATH + "&sid=unknown", 1),
        ("GET", "/socket.io/?EIO=4&transport=websocket", 3),
        ("GET", PATH + "&j=0", 3),
    ],
)
def test_a_wrong_request_is_a_400_with_the_protocols_code(engine, method, path, code):
    answer = engine.application.request(method, path, b"" if method != "GET" else None)
    assert (answer.status, answer.json()["code"]) == (400, code)


def test_a_foreign_origin_is_refused_and_gets_no_cors_headers(engine):
    answer = engine.application.get(PATH, headers={"Origin": "http://evil.test"})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_an_allowed_origin_is_named_in_the_answer(engine):
    answer = engine.application.get(PATH, headers={"Origin": "http://good.test"})
    assert answer.headers["access-control-allow-origin"] == "http://good.test"


def test_a_preflight_request_is_answered(engine):
    answer = engine.application.request("OPTIONS", PATH, headers={"Origin": "http://good.test"})
    assert answer.status == 200
    assert "POST" in answer.headers["access-control-allow-methods"]


# --- a session ---


def test_the_handshake_announces_times_to_the_millisecond(engine):
    opening = Poller(engine).opening
    assert (opening["pingInterval"], opening["pingTimeout"]) == (500, 1000)
    assert opening["upgrades"] == ["websocket"]


def test_a_post_is_answered_ok_and_its_packets_are_handled(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    assert poller.post('421["echo",1]', '422["echo",2]') == (200, "ok")
    assert [poller.packet(), poller.packet()] == ["431[1]", "432[2]"]


def test_200_events_in_one_post_are_all_handled_in_order(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    assert poller.post(*(f'42{n}["echo",{n}]' for n in range(200))) == (200, "ok")
    assert [poller.packet() for _ in range(200)] == [f"43{n}[{n}]" for n in range(200)]


def test_more_packets_than_the_limit_are_refused_aloud(engine):
    poller = Poller(engine)
    poller.join()
    status, body = poller.post(*['42["echo"]'] * 257)
    assert status == 400
    assert "256" in body


@pytest.mark.parametrize("payload", ["", "x", "9", "4", '42{"a":1}', "b!", '42["connect"]', "2probe", "0{}"])
def test_a_malformed_packet_ends_the_session(engine, payload):
    poller = Poller(engine)
    poller.join()
    poller.post(payload)
    engine.until(lambda s: poller.sid not in s["eio_sids"], "the session to end")
    assert poller.get()[0] == 400


def test_a_body_that_is_not_utf8_ends_the_session(engine):
    poller = Poller(engine)
    assert poller.request("POST", poller.path, b"4\xff")[0] == 400


def test_a_body_over_the_limit_is_a_413_and_is_not_read(engine):
    poller = Poller(engine)
    with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=3)) as connection:
        connection.putrequest("POST", poller.path)
        connection.putheader("Content-Length", "999999999")
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_two_polls_at_once_end_the_session(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    first = Waiting(poller)
    assert poller.get()[0] == 400
    assert first.result() == (200, "1")
    assert poller.get()[0] == 400


def test_closing_by_post_answers_the_waiting_poll_with_noop(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    waiting = Waiting(poller)
    assert poller.post("1") == (200, "ok")
    assert waiting.result() == (200, "6")


def test_an_aborted_poll_ends_the_session(engine):
    poller = Poller(engine)
    sid = poller.join()
    drained(poller)
    with socket.create_connection(("127.0.0.1", engine.port)) as sock:
        sock.sendall(f"GET {poller.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.1)
    engine.until(lambda _: engine.happened("disconnect", sid), "the hang-up to be noticed", 0.5)
    assert engine.happened("disconnect", sid) == ["transport error"]


def test_a_polling_client_that_falls_silent_is_gone_after_its_ping_timeout(engine):
    poller = Poller(engine)
    sid = poller.join()
    began = time.monotonic()
    engine.until(lambda _: engine.happened("disconnect", sid), "the ping timeout", 5)
    assert time.monotonic() - began < 3
    assert engine.happened("disconnect", sid) == ["ping timeout"]
    engine.until(lambda s: poller.sid not in s["eio_sids"], "the session to be forgotten", 3)


def test_a_kicked_polling_client_learns_it(engine):
    poller = Poller(engine)
    sid = poller.join()
    drained(poller)
    assert engine.post(f"/close/{sid}")["known"]
    assert [poller.packet(), poller.packet()] == ["41", "1"]
    assert poller.get()[0] == 400


def test_a_large_answer_is_compressed_for_a_client_that_can(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    poller.post('421["echo","' + "x" * 5000 + '"]')
    answer = engine.application.get(poller.path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 500


# --- binary, and both transports in one room ---


def test_a_binary_event_reaches_polling_and_websocket_members_alike(engine):
    engine.until(lambda s: s["members"] == 0, "an idle server")
    poller = Poller(engine)
    poller.join()
    drained(poller)
    with engine.client() as client:
        client.join()
        client.packet()
        for data in (b"\x00first", b"\x01second"):
            assert engine.application.request("POST", "/deliver-binary", data).json()["reached"] == 2
            head = '452-["blob",{"_placeholder":true,"num":0},{"more":{"_placeholder":true,"num":1}}]'
            assert [client.packet() for _ in range(3)] == [head, data, b"\x00\xff"]
            expected = [head, "b" + base64.b64encode(data).decode(), "bAP8="]
            assert [poller.packet() for _ in range(3)] == expected


def test_binary_from_a_polling_client_arrives_as_bytes(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    data = base64.b64encode(b"\x00\x01").decode()
    poller.post('451-1["echo",{"_placeholder":true,"num":0}]', "b" + data)
    assert [poller.packet(), poller.packet()] == ['461-1[{"_placeholder":true,"num":0}]', "b" + data]


# --- the upgrade ---


def probing(engine, poller):
    path = f"/socket.io/?EIO=4&transport=websocket&sid={poller.sid}"
    return WebSocket(engine.port, path)


def upgraded(engine, poller):
    ws = probing(engine, poller)
    ws.send("2probe")
    assert ws.text() == "3probe"
    ws.send("5")
    return ws


def test_an_upgrade_lets_the_waiting_poll_go_and_moves_the_session(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    waiting = Waiting(poller)
    with probing(engine, poller) as ws:
        ws.send("2probe")
        assert ws.text() == "3probe"
        assert waiting.result()[1].split(SEPARATOR)[-1] in ("6", "2")
        ws.send("5")
        ws.send('421["echo",7]')
        while (answer := ws.text()) == "2":
            ws.send("3")
        assert answer == "431[7]"


def test_events_during_an_upgrade_arrive_once_and_in_order(engine):
    poller = Poller(engine)
    sid = poller.join()
    drained(poller)
    with probing(engine, poller) as ws:
        ws.send("2probe")
        assert ws.text() == "3probe"
        for number in range(5):
            engine.post("/deliver", {"rooms": ["everyone"], "event": "n", "args": [number]})
        assert poller.get() == (200, "6")
        ws.send("5")
        seen = []
        while len(seen) < 5:
            if (packet := ws.text()) == "2":
                ws.send("3")
            else:
                seen.append(packet)
        assert seen == [f'42["n",{number}]' for number in range(5)]
        assert [c[1] for c in engine.state()["connections"] if c[0] == sid] == ["websocket"]


def test_a_waiting_poll_takes_nothing_from_a_client_in_a_hurry(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    waiting = Waiting(poller)
    with probing(engine, poller) as ws:
        ws.send_raw(frame(1, b"2probe") + frame(1, b"5") + frame(1, b'421["echo",1]'))
        assert ws.text() == "3probe"
        seen = [packet for packet in (ws.text(), ws.text()) if packet != "2"]
        assert seen[0] == "431[1]"
        assert waiting.result()[1] in ("6", "2")


def test_a_second_candidate_is_refused_while_the_first_is_probing(engine):
    poller = Poller(engine)
    poller.join()
    with probing(engine, poller), pytest.raises(Refused):
        probing(engine, poller)


def test_an_upgraded_session_takes_no_more_polls(engine):
    poller = Poller(engine)
    poller.join()
    with upgraded(engine, poller):
        assert poller.get()[0] == 400
        assert poller.post("3")[0] == 400


def test_a_second_websocket_on_an_upgraded_session_is_refused_and_the_first_lives(engine):
    poller = Poller(engine)
    poller.join()
    with upgraded(engine, poller) as ws:
        with pytest.raises(Refused):
            probing(engine, poller)
        ws.send('429["echo"]')
        while not str(packet := ws.text()).startswith("439"):
            if packet == "2":
                ws.send("3")


def test_a_failed_probe_leaves_the_session_on_polling(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    with probing(engine, poller) as ws:
        ws.send("not a probe")
        assert ws.close_code() is None
    poller.post('421["echo"]')
    assert poller.packet() == "431[]"
    with upgraded(engine, poller):
        pass


def test_a_probe_that_dies_half_way_leaves_the_session_on_polling(engine):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    with probing(engine, poller) as ws:
        ws.send("2probe")
        ws.text()
    time.sleep(0.1)
    poller.post('421["echo"]')
    while (packet := poller.packet()) == "6":
        pass
    assert packet == "431[]"


def test_a_session_id_is_not_the_public_socket_id(engine):
    with Client(engine.port) as client:
        assert client.join() != client.opening["sid"]


# --- sent away in the middle of an upgrade ---


def test_a_client_that_is_sent_away_while_it_upgrades_hears_it_on_the_websocket(engine):
    poller = Poller(engine)
    sid = poller.join()
    with WebSocket(engine.port, f"/socket.io/?EIO=4&transport=websocket&sid={poller.sid}") as ws:
        ws.send("2probe")
        assert ws.text() == "3probe"
        engine.post(f"/close/{sid}")
        ws.send("5")
        packets = list(ws.messages())
    assert packets[-1:] == ["41"]
    assert engine.happened("disconnect", sid) == ["kicked"]


def test_a_client_that_is_sent_away_while_it_upgrades_hears_it_in_its_last_poll(engine):
    poller = Poller(engine)
    sid = poller.join()
    poller.pending = []
    with WebSocket(engine.port, f"/socket.io/?EIO=4&transport=websocket&sid={poller.sid}") as ws:
        ws.send("2probe")
        assert ws.text() == "3probe"
        engine.post(f"/close/{sid}")
        status, body = poller.get()
        assert (status, body.split(SEPARATOR)[-1]) == (200, "41")
        ws.send("5")
        assert list(ws.messages()) == []
    engine.until(lambda s: poller.sid not in s["eio_sids"], "the session to be gone")
