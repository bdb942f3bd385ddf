"""The end of a worker: clients reconnect, handlers run, and a replacement takes over its slot."""

import json
import os
import signal
import time

from mechamap.engine import ids
from tests.services.processes import wait_until

from .conftest import start
from .wire import Client, answer, connect, frame


def test_ids_carry_the_slot_and_a_replacement_takes_over_the_slot(serve):
    engine = start(serve, WORKERS="2")
    application = engine.application

    def slot_of(worker: int) -> int | None:
        """The slot of one worker, found by freezing the others."""
        others = [pid for pid in application.workers() if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            with engine.client() as client:
                return ids.slot_of(client.opening["sid"])
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    first, second = application.workers()
    assert {slot_of(first), slot_of(second)} == {0, 1}
    lost = slot_of(first)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(set(application.workers()) - {first}) == 2, "a new worker")
    [replacement] = set(application.workers()) - {first, second}
    assert slot_of(replacement) == lost


# --- the end ---


def test_sigterm_closes_clients_so_that_they_reconnect_and_runs_their_handlers(serve):
    engine = start(serve)
    polite = [engine.client() for _ in range(3)]
    for client in polite:
        client.join()
        client.event()
    began = time.monotonic()
    engine.application.process.send_signal(signal.SIGTERM)
    for client in polite:
        packets = []
        while (received := client.frame()) is not None and received[0] != 8:
            packets.append(received[1])
        assert b"41" not in packets  # 'io server disconnect' would keep the client away
        assert received is not None
        assert int.from_bytes(received[1][:2], "big") == 1001
        client.send_raw(frame(8, received[1]))
        client.sock.close()
    engine.application.process.wait(8)
    assert time.monotonic() - began < 4
    assert engine.application.exit_code() == 0


def test_sigterm_does_not_wait_for_clients_that_never_close(serve):
    engine = start(serve)
    clients = [engine.client() for _ in range(5)]
    for client in clients:
        client.join()
    idle = connect(engine)
    began = time.monotonic()
    engine.application.stop(timeout=8)
    assert time.monotonic() - began < 5
    assert "did not end in time" not in engine.application.log()
    for sock in (idle, *(client.sock for client in clients)):
        sock.close()


def test_a_reload_moves_clients_to_the_new_worker(serve):
    engine = start(serve)
    client = engine.client()
    client.join()
    [old] = engine.application.workers()
    engine.application.process.send_signal(signal.SIGHUP)
    assert client.close_code() == 1001
    client.sock.close()
    wait_until(lambda: old not in engine.application.workers(), "the old worker to leave", 6)
    with Client(engine.port) as back:
        assert back.join()
    assert engine.application.get("/health").json()["draining"] is False


def test_a_polling_client_is_sent_away_on_sigterm(serve):
    engine = start(serve)
    opening = engine.application.get("/socket.io/?EIO=4&transport=polling").text
    sid = json.loads(opening[1:])["sid"]
    path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    engine.application.request("POST", path, b"40")
    engine.application.get(path)
    with connect(engine) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.1)
        engine.application.process.send_signal(signal.SIGTERM)
        text = answer(sock)
    assert text.startswith("HTTP/1.1 200 ")
    assert text.endswith("1")
    engine.application.process.wait(8)


def test_a_draining_worker_says_so_and_takes_no_new_sessions(serve):
    engine = start(serve)
    with connect(engine) as health, connect(engine) as handshake:
        health.sendall(b"GET /late-health HTTP/1.1\r\nHost: x\r\n\r\n")
        handshake.sendall(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.1)
        engine.application.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        handshake.sendall(b"\r\n")
        assert answer(handshake).startswith("HTTP/1.1 503 ")
        assert '"draining":true' in answer(health)
    engine.application.process.wait(8)
