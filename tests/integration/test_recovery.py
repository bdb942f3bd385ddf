"""The unmodified socket.io-client gets back what it missed: once, in order, or is told that it does not."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gevent
import pytest

from tests.engine.wire import Client
from tests.services.processes import wait_until

from .conftest import KEY, Site, token
from .test_cluster import cluster  # noqa: F401  (a fixture)

WEBSOCKET = {"transports": ["websocket"]}
RETURNING = {"reconnection": True, "reconnectionDelay": 50, "reconnectionDelayMax": 100}


def browse(site: Site, user_id: int = 2, *channels: str, **options):
    browser = site.browser(user_id, **{**WEBSOCKET, **RETURNING, **options})
    for channel in channels:
        assert browser.emit_ack("subscribe", {"channel": channel})["status"] == "success"
    return browser


def away(browser, meanwhile) -> None:
    """Cut the connection, do something, and wait for the return."""
    browser.drop()
    browser.wait_for("disconnect")
    meanwhile()
    browser.wait_for("connect")


def numbers(site: Site, channel: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        assert site.broadcast(channel, "n", number).status == 200


def received(browser, count: int) -> list[int]:
    return [args[0] for args in browser.wait_for_many("n", count)]


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_a_browser_that_was_cut_off_gets_what_it_missed_in_its_channels(site, transports):
    browser = browse(site, 2, "public.a", "forum.1", transports=transports)
    numbers(site, "public.a", 0, 2)
    assert received(browser, 2) == [0, 1]
    browser.forget()

    def meanwhile():
        numbers(site, "public.a", 2, 3)
        numbers(site, "private-user.2", 5, 1)
        numbers(site, "forum.1", 6, 1)
        numbers(site, "public.b", 99, 1)

    away(browser, meanwhile)
    assert received(browser, 5) == [2, 3, 4, 5, 6]
    assert browser.state()["recovered"] is True
    [greeting] = browser.wait_for("connected")
    assert (greeting["recovered"], sorted(greeting["channels"])) == (
        True,
        ["forum.1", "private-user.2", "public.a"],
    )
    numbers(site, "forum.1", 7, 1)
    assert received(browser, 1) == [7]
    assert [n for n, _ in browser.events("n")] == [2, 3, 4, 5, 6, 7]


def test_what_was_missed_before_anything_was_received_comes_too(site):
    browser = browse(site, 2, "public.fresh")
    away(browser, lambda: numbers(site, "public.fresh", 0, 2))
    assert received(browser, 2) == [0, 1]
    assert browser.state()["recovered"] is True


def test_what_was_published_before_the_subscription_does_not(site):
    numbers(site, "public.late", 0, 3)
    browser = browse(site, 2)
    numbers(site, "private-user.2", 10, 1)
    assert received(browser, 1) == [10]
    numbers(site, "public.late", 3, 1)
    assert browser.emit_ack("subscribe", {"channel": "public.late"})["status"] == "success"
    away(browser, lambda: numbers(site, "public.late", 4, 1))
    assert received(browser, 1) == [4]
    assert [n for n, _ in browser.events("n")] == [10, 4]


def test_a_browser_may_be_cut_off_again_and_again(site):
    browser = browse(site, 2, "public.twice")
    for first in (0, 2, 4):
        away(browser, lambda first=first: numbers(site, "public.twice", first, 2))
    assert received(browser, 6) == [0, 1, 2, 3, 4, 5]
    assert browser.state()["recovered"] is True


def test_text_as_data_is_not_taken_for_a_position(site):
    browser = browse(site, 2, "public.text")
    assert site.broadcast("public.text", "said", "hello").status == 200
    assert browser.wait_for("said")[0] == "hello"

    def meanwhile():
        assert site.broadcast("public.text", "said", "AAAAAAAA.1").status == 200

    away(browser, meanwhile)
    assert browser.wait_for("said")[0] == "AAAAAAAA.1"
    assert browser.state()["recovered"] is True


def test_the_sender_of_an_event_does_not_get_it_back(site):
    browser = browse(site, 2)
    other = browse(site, 2)
    assert browser.emit_ack("notification_read", {"notificationId": 100})["success"] is True
    other.wait_for("notification_read")
    away(browser, lambda: numbers(site, "private-user.2", 0, 1))
    assert received(browser, 1) == [0]
    assert browser.events("notification_read") == []


class Polls:
    """Long polling, request by request."""

    def __init__(self, site: Site, auth: dict) -> None:
        self._server = site.server
        self._path = "/socket.io/?EIO=4&transport=polling"
        opening = json.loads(self.get()[1:])
        self._path += f"&sid={opening['sid']}"
        self.post("40" + json.dumps(auth))
        self.packets: list[str] = []

    def get(self) -> str:
        return self._server.get(self._path).text

    def post(self, packets: str) -> None:
        assert self._server.request("POST", self._path, packets).status == 200

    def admitted(self) -> tuple[str, dict]:
        """The pid of the CONNECT answer, and the greeting."""
        while not any(packet.startswith('42["connected"') for packet in self.packets):
            self.packets += self.get().split("\x1e")
        answer = next(packet for packet in self.packets if packet.startswith("40"))
        greeting = next(packet for packet in self.packets if packet.startswith('42["connected"'))
        return json.loads(answer[2:])["pid"], json.loads(greeting[2:])[1]


def test_a_poll_that_fails_does_not_end_the_session_though_the_client_closes_its_transport(site):
    """engine.io-client answers any failed request with a CLOSE packet, and comes back."""
    first = Polls(site, {"token": token(2)})
    pid, _ = first.admitted()
    first.post("1")
    again, greeting = Polls(site, {"token": token(2), "pid": pid}).admitted()
    assert (again, greeting.get("recovered")) == (pid, True)


def test_a_polling_client_that_disconnects_on_purpose_begins_anew(site):
    first = Polls(site, {"token": token(2)})
    pid, _ = first.admitted()
    first.post("41\x1e1")
    again, greeting = Polls(site, {"token": token(2), "pid": pid}).admitted()
    assert again != pid
    assert "recovered" not in greeting


def test_a_device_that_was_away_gets_the_receipts_and_counts_it_missed_in_order(site, laravel_rows):
    ids = range(300, 304)
    for number in ids:
        laravel_rows("INSERT INTO notifications VALUES (?, 4, 0, NULL)", number)
    desk, phone = browse(site, 4), browse(site, 4)

    def mark_all():
        for number in ids:
            assert desk.emit_ack("notification_read", {"notificationId": number})["synced"] is True

    away(phone, mark_all)
    phone.wait_for_many("unread.count.updated", 4)
    assert phone.state()["recovered"] is True
    told = [
        (event, args[0].get("notification_id"), args[0]["unread_count"])
        for event, args in phone.history()
        if event in ("notification_read", "notification.read", "unread.count.updated")
    ]
    assert told == [
        each
        for number, left in zip(ids, (3, 2, 1, 0), strict=True)
        for each in (
            ("notification_read", number, left),
            ("notification.read", number, left),
            ("unread.count.updated", None, left),
        )
    ]


def test_a_channel_that_is_not_allowed_any_more_stays_closed(site, laravel_rows):
    browser = browse(site, 2, "forum.1", "public.kept")

    def meanwhile():
        laravel_rows("UPDATE forums SET required_role = 'senior_member' WHERE id = 1")
        numbers(site, "forum.1", 0, 1)
        numbers(site, "public.kept", 1, 1)

    try:
        away(browser, meanwhile)
        assert received(browser, 1) == [1]
        assert browser.wait_for("subscription_error")[0]["channel"] == "forum.1"
        assert [n for n, _ in browser.events("n")] == [1]
    finally:
        laravel_rows("UPDATE forums SET required_role = NULL WHERE id = 1")


def test_a_session_is_its_persons_only(site):
    browser = browse(site, 2, "public.mine")

    def meanwhile():
        numbers(site, "private-user.2", 0, 1)
        browser.set_auth({"token": token(3)})

    away(browser, meanwhile)
    assert browser.wait_for("recovery")[0]["reason"] == "session_unknown"
    assert browser.state()["recovered"] is False
    assert browser.events("n") == []


def test_a_browser_that_left_by_itself_begins_anew(site):
    browser = browse(site, 2, "public.left")
    browser.disconnect()
    numbers(site, "public.left", 0, 1)
    browser.forget()
    browser.reconnect()
    browser.wait_for("connected")
    assert browser.wait_for("recovery")[0]["reason"] == "session_unknown"
    assert browser.events("n") == []


def test_more_than_can_be_replayed_is_said_instead(site):
    browser = browse(site, 2, "public.much", "public.more", reconnection=False)
    browser.drop()
    browser.wait_for("disconnect")
    for number in range(6):
        channel = ("public.much", "public.more")[number % 2]
        batch = [{"channel": channel, "event": "n", "data": n} for n in range(100)]
        key = {"Authorization": f"Bearer {KEY}"}
        assert site.server.post("/api/broadcast/batch", {"broadcasts": batch}, headers=key).status == 200
    browser.reconnect()
    told = browser.wait_for("recovery")[0]
    assert (told["recovered"], told["reason"]) == (False, "too_much")
    assert browser.state()["recovered"] is False
    assert browser.events("n") == []
    numbers(site, "private-user.2", 0, 1)
    assert received(browser, 1) == [0]


# --- two workers and Redis ---


def test_a_browser_whose_worker_was_killed_loses_nothing_while_publishing_goes_on(cluster):  # noqa: F811
    browsers = [browse(cluster, 2, "public.order") for _ in range(6)]
    stop, published = threading.Event(), []

    def publish():
        while not stop.is_set():
            try:
                answer = cluster.broadcast("public.order", "n", len(published))
            except OSError:  # the killed worker had the connection: whether it was accepted is unknown
                answer = cluster.broadcast("public.order", "unsure", None)
                published.append(None)
                continue
            if answer.status == 200:
                published.append(answer.json()["id"])

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        time.sleep(0.3)
        victim = cluster.server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        time.sleep(1.5)
    finally:
        stop.set()
        publisher.join(10)
    accepted = [number for number, id in enumerate(published) if id is not None]
    for browser in browsers:
        wait_until(
            lambda browser=browser: {args[0] for args in browser.events("n")} >= set(accepted),
            "every accepted event",
            10,
        )
        order = [args[0] for args in browser.events("n")]
        assert order == sorted(order)
        assert len(order) == len(set(order))
        assert browser.state()["connected"]


def test_a_session_survives_a_restart_of_redis(cluster, redis_server):  # noqa: F811
    browser = browse(cluster, 2, "public.restart")
    numbers(cluster, "public.restart", 0, 1)
    assert received(browser, 1) == [0]

    def meanwhile():
        redis_server.stop()
        redis_server.start()
        wait_until(lambda: cluster.broadcast("public.restart", "n", 1).status == 200, "the broker", 10)

    away(browser, meanwhile)
    wait_until(lambda: [args[0] for args in browser.events("n")] == [0, 1], "the missed event", 10)


def test_after_redis_lost_its_data_the_browser_is_told(cluster, redis_server):  # noqa: F811
    browser = browse(cluster, 2, "public.lost")
    numbers(cluster, "public.lost", 0, 1)
    assert received(browser, 1) == [0]
    away(browser, lambda: redis_server.client().flushall())
    told = browser.wait_for("recovery")[0]
    assert told["recovered"] is False
    assert told["reason"] in ("session_unknown", "epoch_changed")


def raw_return(site: Site, auth: dict) -> tuple[Client, dict]:
    """A client of which nothing is automatic, and the CONNECT answer."""
    client = Client(site.server.port)
    client.send("40" + json.dumps(auth))
    return client, json.loads(client.packet()[2:])


def heard(client: Client, until: int) -> list[int]:
    """The numbers of the events up to one."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != until:
        packet = client.packet()
        if packet.startswith('42["n"'):
            numbers.append(json.loads(packet[2:])[1])
    return numbers


def test_several_connections_of_one_session_get_everything_once_each(cluster):  # noqa: F811
    """A client whose first return was slow tries again, and its very first connection was not dead at all."""
    auth = {"token": token(2)}
    with ExitStack() as held:
        first, answer = raw_return(cluster, auth)
        held.enter_context(first)
        first.call("subscribe", {"channel": "public.same"})
        numbers(cluster, "public.same", 0, 1)
        while not (packet := first.packet()).startswith('42["n"'):
            pass
        auth |= {"pid": answer["pid"], "offset": json.loads(packet[2:])[-1]}
        numbers(cluster, "public.same", 1, 2)
        again = [gevent.spawn(raw_return, cluster, auth) for _ in range(4)]
        numbers(cluster, "public.same", 3, 5)
        for returned, answer in [greenlet.get(timeout=10) for greenlet in again]:
            held.enter_context(returned)
            assert answer["pid"] == auth["pid"]
            numbers_of_it = heard(returned, 7)
            assert numbers_of_it == list(range(1, 8))
        assert heard(first, 7) == list(range(1, 8))
    numbers(cluster, "public.same", 8, 1)
    last, answer = raw_return(cluster, auth)
    with last:
        assert answer["pid"] == auth["pid"]
        assert heard(last, 8) == list(range(1, 9))


@contextmanager
def stalled(worker: int) -> Iterator[None]:
    """A worker that does nothing; whoever connects meanwhile reaches the other one."""
    os.kill(worker, signal.SIGSTOP)
    try:
        state = Path(f"/proc/{worker}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the worker to stop")
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def test_what_a_stalled_worker_finds_late_takes_nothing_from_the_page_that_came_back(cluster):  # noqa: F811
    here, there = cluster.server.workers()
    auth = {"token": token(2)}
    with ExitStack() as held:
        with stalled(there):
            old, answer = raw_return(cluster, auth)
            held.enter_context(old)
            old.call("subscribe", {"channel": "public.b"})
        auth["pid"] = answer["pid"]
        with stalled(here):
            old.send("421" + json.dumps(["subscribe", {"channel": "public.y"}]))
            old.send("422" + json.dumps(["unsubscribe", {"channel": "public.b"}]))
            new, answer = raw_return(cluster, auth)
            held.enter_context(new)
            assert answer["pid"] == auth["pid"]
            new.call("subscribe", {"channel": "public.x"})
        while not old.packet().startswith("432"):
            pass
    numbers(cluster, "public.x", 0, 1)
    numbers(cluster, "public.b", 1, 1)
    last, answer = raw_return(cluster, auth)
    with last:
        assert answer["pid"] == auth["pid"]
        while (event := last.event())[0] != "connected":
            pass
        assert sorted(event[1]["channels"]) == ["private-user.2", "public.b", "public.x", "public.y"]
        assert heard(last, 1) == [0, 1]


def test_what_a_page_said_behind_its_connect_takes_nothing_from_it_on_its_next_connection(cluster):  # noqa: F811
    """The stock client waits for the answer; one that does not may give the connection up before it comes,
    and a stalled worker reads both when the page is in elsewhere."""
    here, there = cluster.server.workers()
    auth = {"token": token(2)}
    with ExitStack() as held:
        with stalled(there):
            first, answer = raw_return(cluster, auth)
            held.enter_context(first)
            first.call("subscribe", {"channel": "public.b"})
            auth["pid"] = answer["pid"]
            given_up = held.enter_context(Client(cluster.server.port))
        with stalled(here):
            given_up.send("40" + json.dumps(auth))
            given_up.send("421" + json.dumps(["unsubscribe", {"channel": "public.b"}]))
            new, answer = raw_return(cluster, auth)
            held.enter_context(new)
            assert answer["pid"] == auth["pid"]
            new.call("subscribe", {"channel": "public.x"})
        while not given_up.packet().startswith("431"):
            pass
        new.call("unsubscribe", {"channel": "public.x"})
    last, answer = raw_return(cluster, auth)
    with last:
        assert answer["pid"] == auth["pid"]
        while (event := last.event())[0] != "connected":
            pass
        assert sorted(event[1]["channels"]) == ["private-user.2", "public.b"]
