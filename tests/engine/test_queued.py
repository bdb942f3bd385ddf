"""`message_queue`, as Flask-SocketIO documents it: two workers, other processes, one order for everybody."""

import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from mechamap.engine import slot_of
from tests.services.processes import ROOT, clean_environment, wait_until

from .conftest import start


@pytest.fixture
def two(serve, redis_server):
    engine, serving = start(serve, {"message_queue": redis_server.url}, WORKERS="2"), set()

    def both() -> bool:
        serving.add(engine.application.get("/health").json()["pid"])
        return len(serving) == 2

    wait_until(both, "the second worker")
    return engine


@pytest.fixture
def crowd(two):
    """Clients on both workers; (client, sid) of each."""
    with ExitStack() as held:
        found = []
        while len({slot_of(sid) for _, sid in found}) < 2 or len(found) < 6:
            client = held.enter_context(two.client())
            found.append((client, client.join()))
            assert client.event()[0] == "hello"
            assert len(found) < 100
        yield found


def test_an_event_reaches_the_clients_of_every_worker_once(two, crowd):
    two.post("/emit", {"event": "news", "args": [1, "two"], "to": "everyone"})
    two.post("/emit", {"event": "last", "args": []})
    for client, _ in crowd:
        assert [client.event(), client.event()] == [["news", 1, "two"], ["last"]]


def test_two_workers_that_emit_at_once_are_heard_in_one_order(two, crowd):
    def emit(first):
        for number in range(first, first + 40):
            two.post("/emit", {"event": "n", "args": [number]})

    threads = [threading.Thread(target=emit, args=(first,)) for first in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    heard = [[client.event()[1] for _ in range(120)] for client, _ in crowd]
    assert len(set(heard[0])) == 120
    assert all(order == heard[0] for order in heard)


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


def test_an_event_the_queue_did_not_take_is_an_error_of_the_emitter(two, crowd, redis_server):
    redis_server.stop()
    assert two.application.post("/emit", {"event": "lost", "args": []}).status == 500
