"""Broadcasts over the wire: both transports, binary, backlog, upgrades under fire, and peers that do not
read.
"""

import contextlib
import json
import threading
import time
from contextlib import ExitStack

import pytest

from .test_polling import Poller, drained
from .wire import TEXT, WebSocket, frame


@pytest.fixture
def idle(engine):
    return engine.until(lambda s: s["sessions"] == 0, "an idle server", 10)


def gone(engine, idle, timeout):
    return engine.until(
        lambda s: (
            s["sessions"] == 0
            and s["greenlets"] <= idle["greenlets"]
            and s["descriptors"] <= idle["descriptors"]
        ),
        "descriptors and greenlets to be freed",
        timeout,
    )


def numbers(engine, first, count):
    for number in range(first, first + count):
        engine.post("/deliver", {"rooms": ["everyone"], "event": "n", "args": [number]})


def test_an_idle_connection_has_no_greenlet(engine, idle):
    with ExitStack() as held:
        for _ in range(40):
            held.enter_context(engine.client()).join()
        time.sleep(0.1)
        state = engine.state()
        assert state["members"] == 40
        assert state["greenlets"] <= idle["greenlets"] + 1


def test_a_room_larger_than_small_gets_everything_in_order(engine, idle):
    with ExitStack() as held:
        clients = [held.enter_context(engine.client()) for _ in range(20)]
        for client in clients:
            client.join()
            client.event()
        numbers(engine, 0, 30)
        for client in clients:
            assert [client.event() for _ in range(30)] == [["n", n] for n in range(30)]


def test_a_private_event_keeps_its_place_between_broadcasts(engine, idle):
    with ExitStack() as held:
        clients = [held.enter_context(engine.client()) for _ in range(20)]
        sids = [client.join() for client in clients]
        for client in clients:
            client.event()
        numbers(engine, 0, 1)
        engine.post(f"/send/{sids[7]}")
        numbers(engine, 1, 1)
        assert [clients[7].event() for _ in range(3)] == [["n", 0], ["private", 1, 2], ["n", 1]]


def test_nothing_comes_between_a_binary_event_and_its_attachments(engine, idle):
    with ExitStack() as held:
        clients = [held.enter_context(engine.client()) for _ in range(12)]
        for client in clients:
            client.join()
            client.event()
        stop = threading.Event()

        def chatter():
            while not stop.is_set():
                numbers(engine, 0, 1)

        thread = threading.Thread(target=chatter)
        thread.start()
        for number in range(20):
            engine.application.request("POST", "/deliver-binary", bytes([number]))
        stop.set()
        thread.join(5)
        for client in clients:
            seen = 0
            while seen < 20:
                packet = client.packet()
                if packet.startswith("452-"):
                    assert (client.text(), client.text()) == (bytes([seen]), b"\x00\xff")
                    seen += 1


def test_polling_and_websocket_members_of_a_large_room_see_the_same_order(engine, idle):
    pollers = [Poller(engine) for _ in range(2)]
    for poller in pollers:
        poller.join()
        drained(poller)
    with ExitStack() as held:
        clients = [held.enter_context(engine.client()) for _ in range(10)]
        for client in clients:
            client.join()
            client.event()
        numbers(engine, 0, 3)
        engine.application.request("POST", "/deliver-binary", b"\x01")
        numbers(engine, 3, 1)
        head = '452-["blob",{"_placeholder":true,"num":0},{"more":{"_placeholder":true,"num":1}}]'
        texts = [f'42["n",{n}]' for n in range(3)]
        for client in clients:
            wanted = [*texts, head, b"\x01", b"\x00\xff", '42["n",3]']
            assert [client.packet() for _ in range(7)] == wanted
        for poller in pollers:
            wanted = [*texts, head, "bAQ==", "bAP8=", '42["n",3]']
            assert [poller.packet() for _ in range(7)] == wanted


def test_an_upgrade_in_the_middle_of_a_stream_of_events_loses_and_doubles_none(engine, idle):
    poller = Poller(engine)
    poller.join()
    drained(poller)
    publisher = threading.Thread(target=numbers, args=(engine, 0, 300))
    publisher.start()
    seen = [poller.packet() for _ in range(20)] + poller.pending
    with WebSocket(engine.port, f"/socket.io/?EIO=4&transport=websocket&sid={poller.sid}") as ws:
        ws.send("2probe")
        assert ws.text() == "3probe"
        status, body = poller.get()  # as the stock client: let the poll come home before the switch
        assert status == 200
        seen += [packet for packet in body.split("\x1e") if packet not in ("6", "2")]
        ws.send("5")
        while len(seen) < 300:
            if (packet := ws.text()) == "2":
                ws.send("3")
            else:
                seen.append(packet)
    publisher.join(5)
    assert seen == [f'42["n",{n}]' for n in range(300)]


def test_a_backlog_is_delivered_whole_when_the_peer_reads_again(engine, idle):
    with engine.client(receive_buffer=4_096) as client:
        client.join()
        client.event()
        engine.post("/flood?count=5&size=50000")
        numbers(engine, 0, 50)
        engine.until(lambda s: s["queued_bytes"] > 0, "a backlog")
        for _ in range(5):
            assert client.event() == ["flood", "x" * 50_000]
        assert [client.event() for _ in range(50)] == [["n", n] for n in range(50)]
        assert client.call("echo", 1) == [1]


def test_a_peer_that_answers_pings_blindly_and_reads_nothing_is_cut(engine, idle):
    """Its pongs keep the heartbeat content; the write deadline is not deceived."""
    client = engine.client(receive_buffer=4_096)
    sid = client.join()
    stop = threading.Event()

    def pong():
        with contextlib.suppress(OSError):
            while not stop.wait(0.1):
                client.send_raw(frame(TEXT, b"3"))

    thread = threading.Thread(target=pong)
    thread.start()
    try:
        began = time.monotonic()
        engine.post("/flood?count=5&size=50000")
        engine.until(lambda _: engine.happened("disconnect", sid), "the write deadline", 6)
        assert 2.0 < time.monotonic() - began < 4.5  # interval, timeout and margin are 2.5 s
        assert engine.happened("disconnect", sid) == ["transport error"]
    finally:
        stop.set()
        thread.join(5)
    gone(engine, idle, 2)
    client.sock.close()


def test_a_flood_of_pings_from_a_peer_that_does_not_read_is_bounded(engine, idle):
    client = engine.client(receive_buffer=4_096)
    sid = client.join()
    pings = frame(9, b"p" * 125) * 100
    client.sock.settimeout(5)
    with contextlib.suppress(OSError):
        for _ in range(2_000):
            client.send_raw(pings)
    engine.until(lambda _: engine.happened("disconnect", sid), "the overflow", 5)
    assert engine.happened("disconnect", sid) == ["slow_consumer"]
    gone(engine, idle, 2)
    client.sock.close()


def test_events_that_wait_for_a_slow_handler_are_left_in_the_kernel(engine, idle):
    """A client that is far ahead of its handlers is not read, and everything still arrives in order."""
    with engine.client() as client:
        client.join()
        client.event()
        client.send('42["slow-then-fast","first",0.5]')
        for number in range(500):
            client.send(f'42["slow-then-fast",{number},0]')
        wanted = ["first", *range(500)]
        assert [client.event() for _ in wanted] == [["done", n] for n in wanted]


def test_leaving_while_paused_for_a_slow_handler_ends_the_session(engine, idle):
    client = engine.client()
    client.join()
    client.send('42["slow-then-fast","first",1]')
    for number in range(200):
        client.send(f'42["slow-then-fast",{number},0]')
    time.sleep(0.2)
    client.sock.close()
    gone(engine, idle, 5)


def test_a_mass_disconnect_in_the_middle_of_a_broadcast_disturbs_nobody(engine, idle):
    with engine.client() as witness:
        witness.join()
        witness.event()
        leaving = [engine.client() for _ in range(80)]
        for client in leaving:
            client.join()

        def leave():
            for client in leaving:
                client.sock.close()

        thread = threading.Thread(target=leave)
        thread.start()
        numbers(engine, 0, 40)
        thread.join(5)
        assert [witness.event() for _ in range(40)] == [["n", n] for n in range(40)]
        engine.until(lambda s: s["members"] == 1, "the others to be gone")


def test_the_request_of_the_handshake_is_what_handlers_see_at_every_event(engine, idle):
    with engine.client(path="/socket.io/?EIO=4&transport=websocket&colour=red") as client:
        client.join()
        client.event()
        for _ in range(2):
            [shown] = client.call("request")
            assert shown["colour"] == "red"
            assert shown["address"] == "127.0.0.1"
            assert shown["method"] == "GET"
            assert "Sec-Websocket-Key" not in shown["headers"]
            assert shown["headers"]["Host"] == "127.0.0.1"
            assert json.loads(json.dumps(shown)) == shown
