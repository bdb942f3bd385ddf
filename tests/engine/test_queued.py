"""`message_queue`, as Flask-SocketIO documents it: two workers, and processes without clients."""

import json
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from mechamap.engine import slot_of
from tests.services.processes import ROOT, clean_environment, wait_until

from .conftest import start
from .lines import Line


@pytest.fixture
def two(serve, redis_server):
    engine, serving = start(serve, {"message_queue": redis_server.url}, WORKERS="2"), set()

    def both() -> bool:
        serving.add(engine.application.get("/health").json()["pid"])
        return len(serving) == 2

    wait_until(both, "the second worker")
    return engine


@pytest.fixture
def crowd(two, redis_server):
    """Clients on both workers; (client, sid) of each."""
    redis = redis_server.client()
    with ExitStack() as held:
        found = []
        while len({slot_of(sid) for _, sid in found}) < 2 or len(found) < 6:
            client = held.enter_context(two.client())
            found.append((client, client.join()))
            assert client.event()[0] == "hello"
            assert len(found) < 100
        wait_until(lambda: redis.pubsub_numsub("flask-socketio")[0][1] == 2, "both workers to listen")
        yield found


def test_an_event_reaches_the_clients_of_every_worker_once(two, crowd):
    two.post("/emit", {"event": "news", "args": [1, "two"], "to": "everyone"})
    two.post("/emit", {"event": "last", "args": []})
    for client, _ in crowd:
        assert [client.event(), client.event()] == [["news", 1, "two"], ["last"]]


def test_the_events_of_one_emitter_keep_their_order_everywhere(two, crowd):
    with Line(two, two.application.workers()[0]) as line:
        for number in range(40):
            body = json.dumps({"event": "n", "args": [number]})
            assert line.request("POST", "/emit", body, **{"Content-Type": "application/json"})[0] == 200
    for client, _ in crowd:
        assert [client.event() for _ in range(40)] == [["n", number] for number in range(40)]


def test_one_client_is_reached_asked_moved_and_sent_away_wherever_it_is(two, crowd):
    for client, sid in crowd[:4]:
        two.post("/emit", {"event": "private", "args": [], "to": sid})
        assert client.event() == ["private"]
        answers = []
        asking = threading.Thread(target=lambda sid=sid, to=answers: to.append(two.post(f"/ask/{sid}")))
        asking.start()
        packet = client.packet()
        id = packet[2 : packet.index("[")]
        assert packet == f'42{id}["question","?"]'
        client.send(f'43{id}["yes"]')
        asking.join(5)
        assert answers == [{"answer": ["yes"]}]
        two.post(f"/move/{sid}/corner")
        two.post("/emit", {"event": "corner", "args": [], "to": "corner"})
        assert client.event() == ["corner"]
        two.post(f"/disconnect/{sid}")
        assert client.packet() == "41"


def test_a_process_without_clients_emits_too(two, crowd, redis_server):
    code = (
        "from mechamap.engine import SocketIO\n"
        f"SocketIO(message_queue={redis_server.url!r}).emit('task', {{'done': True}}, to='everyone')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), check=True, timeout=20)
    for client, _ in crowd:
        assert client.event() == ["task", {"done": True}]
