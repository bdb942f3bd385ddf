"""The worker process over TLS."""

import socket
import time

from .wire import answer, anyone, connect, frame


def test_websockets_work_over_tls(secure):
    with secure.client() as client:
        sid = client.join()
        assert client.call("echo", "x" * 10_000) == ["x" * 10_000]
        assert client.stay(0.8) == []
        secure.post(f"/close/{sid}")
        assert client.packet() == "41"
        assert client.close_code() == 1000


def test_a_backlog_over_tls_is_delivered_whole_when_the_peer_reads_again(secure):
    with secure.client(receive_buffer=4_096) as client:
        client.join()
        client.event()
        secure.post("/flood?count=5&size=50000")
        secure.until(lambda s: s["queued_bytes"] > 0, "a backlog")
        for _ in range(5):
            assert client.event() == ["flood", "x" * 50_000]
        assert client.call("echo", "x" * 9_000) == ["x" * 9_000]


def test_many_messages_in_one_tls_record_are_all_read(secure):
    with secure.client() as client:
        client.join()
        client.event()
        client.send_raw(b"".join(frame(1, f'42{n}["echo",{n}]'.encode()) for n in range(300)))
        assert [client.packet() for _ in range(300)] == [f"43{n}[{n}]" for n in range(300)]


def test_bytes_behind_the_handshake_are_read_over_tls(secure):
    with secure.client(first=frame(1, b"40")) as client:
        assert client.packet().startswith("40{")


def test_a_tls_client_that_vanishes_is_freed_at_once(secure):
    idle = secure.until(lambda s: s["sessions"] == 0, "an idle server")
    client = secure.client()
    client.join()
    client.sock.close()
    secure.until(
        lambda s: s["sessions"] == 0 and s["descriptors"] <= idle["descriptors"],
        "the descriptor to be freed",
        1,
    )


def test_a_silent_tls_client_is_gone_at_its_ping_timeout(secure):
    idle = secure.until(lambda s: s["sessions"] == 0, "an idle server")
    client = secure.client()
    client.join()
    secure.until(lambda s: s["sessions"] == 0 and s["greenlets"] <= idle["greenlets"], "the ping timeout", 6)
    client.sock.close()


def test_a_tls_client_that_vanishes_during_an_answer_is_no_event(secure):
    sock = anyone().wrap_socket(connect(secure))
    sock.sendall(b"GET /late-health HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    time.sleep(0.1)
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    time.sleep(1.0)
    assert secure.application.get("/health").status == 200
    assert "Traceback" not in secure.application.log()


def test_plain_http_on_a_tls_port_is_no_event(secure):
    with connect(secure) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer(sock)
    assert secure.application.get("/health").status == 200
    assert "Traceback" not in secure.application.log()
