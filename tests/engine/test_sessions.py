"""How sessions end: heartbeats, slow consumers, kicks; and that nothing of them is left."""

import contextlib
import json
import socket
import threading
import time

import pytest

from tests.services.processes import wait_until

from .wire import frame


@pytest.fixture
def idle(engine):
    """The state of the server with nobody connected."""
    return engine.until(lambda s: s["sessions"] == 0, "an idle server", 10)


def gone(engine, idle, timeout=5.0):
    """Wait until the server holds nothing more than when it was idle."""
    return engine.until(
        lambda s: (
            s["sessions"] == 0
            and s["greenlets"] <= idle["greenlets"]
            and s["descriptors"] <= idle["descriptors"]
        ),
        "descriptors and greenlets to be freed",
        timeout,
    )


def test_a_peer_that_never_pongs_is_gone_after_interval_plus_timeout(engine, idle):
    clients = [engine.client() for _ in range(5)]
    began = time.monotonic()
    sids = []
    for client in clients:
        client.send("40")
        while not str(packet := client.text()).startswith("40"):
            pass
        sids.append(json.loads(packet[2:])["sid"])
    engine.until(lambda s: s["sessions"] == 0, "the ping timeout", 4)
    assert 1.4 < time.monotonic() - began < 3
    gone(engine, idle, 2)  # the peers still hold their ends open
    for sid, client in zip(sids, clients, strict=True):
        assert engine.happened("disconnect", sid) == ["ping timeout"]
        client.sock.close()


def test_pings_come_at_the_announced_interval(engine):
    with engine.client() as client:
        client.join()
        client.packet()
        times = []
        for _ in range(3):
            while client.text() != "2":
                pass
            times.append(time.monotonic())
            client.send("3")
        assert 0.45 < times[1] - times[0] < 1.0
        assert 0.45 < times[2] - times[1] < 1.0


def test_a_client_is_pinged_when_the_application_asks(engine):
    with engine.client() as client:
        sid = client.join()
        client.packet()
        for _ in range(3):
            engine.post(f"/ping/{sid}")
        assert not engine.post(f"/answers/{sid}")["answers"]
        assert client.text() == "2"
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):  # one ping is under way at a time
            client.text()
        client.send("3")
        wait_until(lambda: engine.post(f"/answers/{sid}")["answers"], "the pong", 1)
    wait_until(lambda: engine.state()["sessions"] == 0, "the client to be gone", 2)
    engine.post(f"/ping/{sid}")
    assert not engine.post(f"/answers/{sid}")["answers"]


def test_pongs_nobody_asked_for_start_no_extra_pings(engine):
    with engine.client() as client:
        client.join()
        client.packet()
        client.send_raw(frame(1, b"3") * 200)
        pings, end = 0, time.monotonic() + 1.2
        while time.monotonic() < end:
            if client.text() == "2":
                pings += 1
                client.send("3")
        assert pings <= 3


def test_a_client_that_floods_does_not_keep_the_worker_to_itself(engine):
    with engine.client() as loud, engine.client() as quiet:
        loud.join()
        quiet.join()
        pongs = frame(1, b"3") * 5_000

        def flood():
            with contextlib.suppress(OSError):
                while True:
                    loud.send_raw(pongs)

        flooder = threading.Thread(target=flood, daemon=True)
        flooder.start()
        try:
            waits = []
            for _ in range(10):
                began = time.monotonic()
                assert quiet.call("echo", 1) == [1]
                waits.append(time.monotonic() - began)
        finally:
            loud.sock.shutdown(socket.SHUT_RDWR)
            flooder.join(5)
        assert sorted(waits)[5] < 0.2


def stall(engine, client):
    """Fill the client's queue past its limit while it does not read; the kernel's buffers go first."""
    client.call("join", "firehose")
    for _ in range(3):
        engine.post("/flood?room=firehose&count=5&size=50000")
    engine.post("/flood?room=firehose&count=10&size=50000")


def test_a_client_whose_queue_is_full_is_closed_and_its_neighbour_is_not(engine, idle):
    with engine.client(receive_buffer=4096) as slow, engine.client() as healthy:
        slow_sid, healthy_sid = slow.join(), healthy.join()
        stall(engine, slow)
        engine.until(
            lambda _: engine.happened("disconnect", slow_sid) == ["slow_consumer"], "the disconnect handler"
        )
        assert engine.happened("drop", slow_sid) == ["slow_consumer"]
        assert engine.happened("disconnect", healthy_sid) == []
        assert healthy.call("echo", 1) == [1]
        assert engine.state()["queued_bytes"] < 1000
    gone(engine, idle)


def test_a_dropped_client_is_freed_while_its_peer_still_holds_the_connection(engine, idle):
    slow = engine.client(receive_buffer=4096)
    slow.join()
    stall(engine, slow)
    gone(engine, idle, 2)
    slow.sock.close()


def test_a_client_that_stops_reading_but_gets_little_is_gone_at_its_ping_timeout(engine, idle):
    stalled = engine.client(receive_buffer=4096)
    sid = stalled.join()
    engine.post("/flood?count=4&size=50000")
    engine.until(lambda _: engine.happened("disconnect", sid), "the ping timeout", 4)
    gone(engine, idle, 3)
    stalled.sock.close()


def test_closing_ends_the_connection_and_says_why(engine, idle):
    with engine.client() as client:
        sid = client.join()
        answer = engine.post(f"/close/{sid}")
        assert answer["known"]
        assert answer["seconds"] < 0.05
        assert client.event() == ["hello"]
        assert client.packet() == "41"
        assert client.close_code() == 1000
        assert engine.happened("disconnect", sid) == ["kicked"]
        gone(engine, idle, 2)


def test_closing_a_client_that_does_not_read_blocks_nobody_and_frees_it_in_a_second(engine, idle):
    client = engine.client(receive_buffer=4096)
    sid = client.join()
    engine.post("/flood?count=5&size=50000")
    assert engine.post(f"/close/{sid}")["seconds"] < 0.05
    gone(engine, idle, 2)
    client.sock.close()


def test_closing_an_unknown_socket_says_so(engine):
    assert engine.post("/close/1.2")["known"] is False


def test_an_event_larger_than_a_queue_is_the_publishers_mistake(engine):
    with engine.client() as client:
        client.join()
        answer = engine.application.request("POST", "/flood?count=1&size=300001")
        assert answer.status == 500
        client.event()
        assert client.call("echo", 1) == [1]


def test_a_mass_disconnect_leaves_nothing(engine, idle):
    clients = [engine.client() for _ in range(100)]
    for client in clients:
        client.join()
    assert engine.state()["members"] == 100
    for client in clients:
        client.sock.close()
    state = gone(engine, idle)
    assert (state["members"], state["environs"]) == (0, 0)


def test_connections_are_listed_as_they_are(engine, idle):
    with engine.client() as client:
        sid = client.join()
        [[listed, transport, address, since, queued]] = engine.state()["connections"]
        assert (listed, transport, address, queued) == (sid, "websocket", "127.0.0.1", 0)
        assert abs(since - time.time()) < 2
