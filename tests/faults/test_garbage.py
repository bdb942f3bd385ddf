"""Ended sessions are freed by their reference counts.

The worker's collector freezes what is alive when it runs. Sessions that were part of a cycle would then stay,
3 KB each, until there are so many that all of them are looked at in one long pause.
"""

import json
import time

import pytest

from tests.engine.conftest import QUICK, Engine
from tests.engine.peers import PollingPeer
from tests.engine.wire import BINARY, CLOSE, TEXT, WebSocket, frame

from .conftest import HERE, IMPATIENT, vanish

OWN = {"Session", "Connection", "Lane", "Outbox", "FrameParser", "Member", "Candidate"}
CLIENTS = 20


@pytest.fixture(scope="module")
def engine(serve_module) -> Engine:
    settings = {"ENGINE": json.dumps({**QUICK, "cors_allowed_origins": []}), **IMPATIENT}
    return Engine(
        serve_module(
            settings,
            app="tests.faults.garbage_application:app",
            config=HERE.parent / "engine" / "gunicorn_settings.py",
            tracebacks=True,
        )
    )


def by_close_frame(client) -> None:
    client.send_raw(frame(CLOSE, b"\x03\xe8"))
    client.close_code()


def by_packet(client) -> None:
    client.send("41")
    client.send("1")
    client.close_code()


def by_breaking_a_rule(client) -> None:
    client.send_raw(frame(BINARY, b"x", masked=False))
    client.close_code()


def in_a_fragment(client) -> None:
    client.send_raw(frame(TEXT, b"4", fin=False) + frame(0, b"x" * 500, fin=False))


def with_events_under_way(client) -> None:
    client.send_raw(frame(TEXT, b'42["slow-then-fast",1,0.05]') * 100)
    time.sleep(0.01)
    vanish(client.sock)


ENDINGS = [by_close_frame, by_packet, by_breaking_a_rule, in_a_fragment, with_events_under_way]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_websocket_session_leaves_no_cycle(engine, ending):
    engine.post("/garbage")
    for _ in range(CLIENTS):
        with engine.client() as client:
            client.join()
            client.call("join", "room")
            ending(client)
    _nothing_of_ours(engine)


def test_an_upgraded_session_leaves_no_cycle(engine):
    engine.post("/garbage")
    for _ in range(CLIENTS):
        with PollingPeer(engine.port) as peer:
            peer.send("40")
            path = f"/socket.io/?EIO=4&transport=websocket&sid={peer.opening['sid']}"
            with WebSocket(engine.port, path) as ws:
                ws.send("2probe")
                ws.text()
                ws.send("5")
                ws.send('421["echo"]')
                while ws.text() != "431[]":
                    pass
    _nothing_of_ours(engine)


def test_a_polling_session_leaves_no_cycle(engine):
    engine.post("/garbage")
    for _ in range(CLIENTS):
        with PollingPeer(engine.port) as peer:
            peer.send("40", '421["echo"]')
            while peer.packet() != "431[]":
                pass
            peer.send("41", "1")
    _nothing_of_ours(engine)


def test_a_session_that_fell_silent_leaves_no_cycle(engine):
    engine.post("/garbage")
    clients = [engine.client(answers=False) for _ in range(CLIENTS)]
    for client in clients:
        client.join()
    engine.until(lambda s: s["sessions"] == 0, "the silent to be gone", 6)
    for client in clients:
        client.sock.close()
    _nothing_of_ours(engine)


def _nothing_of_ours(engine: Engine) -> None:
    engine.until(lambda s: s["sessions"] == 0, "the sessions to end", 12)
    time.sleep(0.6)  # the farewell of a connection may take the close timeout
    found = engine.post("/garbage")
    assert {name: count for name, count in found.items() if name in OWN} == {}
