"""Hundreds of browsers on two workers: nothing lost, one order, nobody's private message seen by another."""

import json
import threading
from collections import Counter

import gevent

from tests.engine.wire import WebSocket
from tests.integration.conftest import Site, plan_database, settings, token
from tests.services.processes import wait_until

BROWSERS = 200
BROADCASTS = 50
PUBLISHERS = 2


class Member:
    """One browser: signed in, in the room, keeping every event it receives."""

    def __init__(self, port: int, user_id: int) -> None:
        self.socket = WebSocket(port, timeout=60)
        self.user_id = user_id
        self.events: list[tuple[str, object]] = []
        self.subscribed = 0
        gevent.spawn(self._listen)
        self.socket.send("40" + json.dumps({"token": token(user_id)}))

    def _listen(self) -> None:
        for text in self.socket.messages():
            if text == "2":
                self.socket.send("3")
            elif text.startswith("42"):
                name, data, *_position = json.loads(text[2:])
                if name == "subscribed":
                    self.subscribed += 1
                elif name == "connected":
                    self.socket.send('42["subscribe",{"channel":"public.crowd"}]')
                else:
                    self.events.append((name, data))


def test_a_crowd_receives_everything_once_and_in_one_order(serve, node_client, redis_server, tmp_path):
    server = serve(
        settings(
            REDIS_URL=redis_server.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=plan_database(tmp_path / "laravel.sqlite"),
        )
    )
    site = Site(server, node_client)
    crowd = [Member(server.port, user_id=2 + n % 2) for n in range(BROWSERS)]
    wait_until(lambda: all(member.subscribed == 2 for member in crowd), "the crowd to be subscribed", 60)

    def publish(origin: int) -> None:
        for number in range(BROADCASTS):
            assert (
                site.broadcast("public.crowd", "crowd", [origin, number]).json()["subscriberCount"]
                == BROWSERS
            )
            if number % 10 == 0:
                site.broadcast("private-user.3", "private", [origin, number])

    publishers = [threading.Thread(target=publish, args=(origin,)) for origin in range(PUBLISHERS)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    expected = {2: PUBLISHERS * BROADCASTS, 3: PUBLISHERS * (BROADCASTS + BROADCASTS // 10)}
    wait_until(
        lambda: all(len(member.events) >= expected[member.user_id] for member in crowd), "every event", 60
    )

    assert Counter(len(member.events) for member in crowd if member.user_id == 2) == {
        expected[2]: BROWSERS // 2
    }
    assert Counter(len(member.events) for member in crowd if member.user_id == 3) == {
        expected[3]: BROWSERS // 2
    }
    assert {name for member in crowd if member.user_id == 2 for name, _ in member.events} == {"crowd"}
    order = [data for name, data in crowd[0].events if name == "crowd"]
    for member in crowd:
        assert [data for name, data in member.events if name == "crowd"] == order
    for origin in range(PUBLISHERS):
        assert [number for o, number in order if o == origin] == list(range(BROADCASTS))

    for member in crowd:
        member.socket.sock.close()
    wait_until(
        lambda: site.broadcast("public.crowd").json()["subscriberCount"] == 0,
        "everyone to be gone",
        timeout=20,
    )
