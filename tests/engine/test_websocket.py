"""One WebSocket against the real worker: what is refused, how it ends, what stays whole."""

import base64
import time

import pytest

from .wire import BINARY, CLOSE, PATH, PING, PONG, TEXT, Client, Refused, WebSocket, frame, head


def upgrade(engine, path=PATH, **headers):
    with pytest.raises(Refused) as caught:
        WebSocket(engine.port, path, {name.replace("_", "-"): value for name, value in headers.items()})
    return caught.value


def ended_with(client) -> int | None:
    client.sock.settimeout(3)
    return client.close_code()


# --- the upgrade ---


def test_a_websocket_is_answered_with_101_and_the_open_packet(engine):
    with engine.client() as client:
        assert client.head.startswith("HTTP/1.1 101 ")
        assert client.opening["pingInterval"] == 500
        assert client.opening["pingTimeout"] == 1000
        assert client.opening["maxPayload"] == 20_000
        assert client.opening["upgrades"] == []


def test_a_foreign_origin_is_refused_instead_of_upgraded(engine):
    assert upgrade(engine, Origin="http://evil.test").status == 403


def test_an_allowed_origin_is_upgraded(engine):
    with Client(engine.port, headers={"Origin": "http://good.test"}) as client:
        assert client.join()


def test_an_unknown_session_is_refused_instead_of_upgraded(engine):
    refused = upgrade(engine, PATH + "&sid=11234567890123456.12345678901234567890")
    assert refused.status == 400
    assert "Session ID unknown" in refused.body


def test_an_upgrade_elsewhere_is_an_ordinary_request(engine):
    assert upgrade(engine, "/nowhere").status == 404


def test_a_missing_connection_header_is_a_bad_request(engine):
    assert upgrade(engine, Connection=None).status == 400


def test_a_missing_upgrade_header_is_a_bad_request(engine):
    assert upgrade(engine, Upgrade=None).status == 400


@pytest.mark.parametrize("key", [None, "short", "not base64!", base64.b64encode(b"x" * 15).decode()])
def test_a_bad_key_is_a_bad_request(engine, key):
    assert upgrade(engine, Sec_WebSocket_Key=key).status == 400


def test_an_old_version_is_told_the_one_that_works(engine):
    assert upgrade(engine, Sec_WebSocket_Version="8").status == 426


def test_bytes_that_arrive_with_the_handshake_are_read(engine):
    with engine.client(first=frame(TEXT, b"40")) as client:
        assert client.packet().startswith("40{")


# --- frames ---


def test_a_declared_length_over_the_limit_is_refused_before_it_is_read(engine):
    with engine.client() as client:
        client.send_raw(head(BINARY, 200_000_000) + b"kkkk")
        assert ended_with(client) == 1009


def test_fragments_over_the_limit_together_are_refused(engine):
    with engine.client() as client:
        client.send_raw(frame(TEXT, b"x" * 15_000, fin=False) + frame(0, b"x" * 15_000))
        assert ended_with(client) == 1009


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"2", masked=False),
        frame(TEXT, b"2", reserved=0x40),
        frame(PING, b"x" * 126),
        frame(PING, b"", fin=False),
        frame(0, b"x"),
        frame(CLOSE, b"\x03"),
    ],
)
def test_a_broken_frame_ends_the_connection_with_1002(engine, data):
    with engine.client() as client:
        client.send_raw(data)
        assert ended_with(client) == 1002


def test_invalid_utf8_ends_the_connection_with_1007(engine):
    with engine.client() as client:
        client.send_raw(frame(TEXT, b"4\xff"))
        assert ended_with(client) == 1007


def test_a_ping_frame_is_answered_with_its_payload(engine):
    with engine.client() as client:
        client.send_raw(frame(PING, b"hello"))
        while (received := client.frame())[0] != PONG:
            pass
        assert received == (PONG, b"hello")


def test_a_message_in_fragments_is_one_message(engine):
    with engine.client() as client:
        client.join()
        client.send_raw(frame(TEXT, b'421["ec', fin=False) + frame(PING) + frame(0, 'ho","é"]'.encode()))
        while not str(packet := client.packet()).startswith("43"):
            pass
        assert packet == '431["é"]'


def test_a_close_frame_is_echoed_and_the_connection_ended(engine):
    with engine.client() as client:
        client.send_raw(frame(CLOSE, b"\x0f\xa0" + b"r" * 123))
        assert ended_with(client) == 4000


def test_the_application_hears_why_a_broken_connection_ended(engine):
    with engine.client() as client:
        sid = client.join()
        client.send_raw(frame(TEXT, b"x", masked=False))
        client.close_code()
    engine.until(lambda _: engine.happened("disconnect", sid) == ["parse error"], "the disconnect handler")


def test_a_vanished_peer_is_a_transport_close(engine):
    client = engine.client()
    sid = client.join()
    client.sock.close()
    engine.until(lambda _: engine.happened("disconnect", sid), "the disconnect handler")
    assert engine.happened("disconnect", sid) == ["transport close"]


def test_pongs_never_land_inside_a_frame_that_is_being_written(engine):
    with engine.client(receive_buffer=4096) as client:
        client.join()
        assert engine.post("/flood?count=3&size=60000") == {}
        for _ in range(50):
            client.send_raw(frame(PING, b"p"))
        time.sleep(0.2)
        floods, pongs = 0, 0
        while floods < 3 or pongs < 50:
            opcode, payload = client.frame()  # asserts the framing
            floods += opcode == TEXT and payload.startswith(b'42["flood"')
            pongs += opcode == PONG
            if payload == b"2":
                client.send("3")
        assert (floods, pongs) == (3, 50)


def test_one_large_message_does_not_hold_up_the_others(engine):
    with engine.client() as loud, engine.client() as quiet:
        loud.join()
        quiet.join()
        payload = "é" * 9_000
        loud.send('421["echo","' + payload + '"]')
        began = time.monotonic()
        assert quiet.call("echo", 1) == [1]
        assert time.monotonic() - began < 0.3


def test_nothing_is_left_of_connections_that_broke_the_rules(engine):
    before = engine.until(lambda s: s["sessions"] == 0, "an idle server")
    for _ in range(10):
        client = engine.client()
        client.join()
        client.send_raw(frame(TEXT, b"\xff"))
        client.sock.close()
        silent = WebSocket(engine.port)
        silent.sock.close()
    after = engine.until(lambda s: s["sessions"] == 0, "the sessions to end")
    after = engine.until(lambda s: s["greenlets"] <= before["greenlets"], "the greenlets to end")
    assert after["descriptors"] <= before["descriptors"]
    assert after["environs"] == 0
