"""The worker's part with a real small Laravel, real queues and real requests."""

import gevent
import pytest

from mechamap.broker.connection import command_client
from mechamap.broker.leadership import Alone, LeasedLeadership
from mechamap.domain.errors import NotFound, Unavailable
from mechamap.domain.pusher_signature import AppKey, webhook_headers
from mechamap.domain.webhooks import Notice
from mechamap.metrics import Metrics
from mechamap.webhooks.delivery import Delivery
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.observer import WebhookObserver
from mechamap.webhooks.protocol import Letter
from mechamap.webhooks.redis_queues import RedisQueues
from mechamap.webhooks.webhooks import Webhooks
from tests.services.laravel_api import HTML, HUGE, REDIRECT, breaks_off, garbage, hangs_up, says
from tests.services.processes import wait_until

KEY = AppKey("site-key", "site-secret-site-secret")


class Letters(list[Letter]):
    """A table that keeps them in memory, and may be away."""

    away = False

    def keep(self, letter: Letter) -> None:
        self.append(letter)

    def count(self) -> int:
        if self.away:
            raise Unavailable("The database does not answer.")
        return len(self)


@pytest.fixture
def hire(laravel_api, request):
    """Start workers; they are stopped after the test."""
    hired: list[Webhooks] = []

    def start(
        queues=None, leadership=None, *, keys=lambda: (KEY,), letters=None, occupancy=None, **options
    ) -> Webhooks:
        delivery = Delivery(f"{laravel_api.url}/webhooks", keys)
        queues = queues or MemoryQueues([delivery.name])
        metrics = Metrics()
        observer = WebhookObserver(queues, (), metrics)
        worker = Webhooks(
            [delivery],
            queues,
            observer,
            occupancy,
            Letters() if letters is None else letters,
            leadership or Alone(),
            metrics,
            on_lost=pytest.fail,
            **options,
        )
        hired.append(worker)
        worker.start()
        return worker

    yield start
    for worker in hired:
        worker.stop()


def say(worker: Webhooks, *texts: bytes) -> None:
    worker.observer.add([Notice(b'{"name":"%s"}' % text) for text in texts])


def bodies(laravel_api) -> list[list[str]]:
    return [[event["name"] for event in asked.json()["events"]] for asked in laravel_api.asked]


def test_a_webhook_is_one_signed_request(laravel_api, hire):
    laravel_api.behaviour = says(b"", 204)
    worker = hire()
    say(worker, b"one", "zwéi".encode())
    wait_until(lambda: laravel_api.asked, "a webhook")
    [asked] = laravel_api.asked
    assert asked.json()["events"] == [{"name": "one"}, {"name": "zwéi"}]
    for name, value in webhook_headers(KEY, asked.body).items():
        assert asked.headers[name.lower()] == value
    assert worker.state().ok and "This worker" in worker.state().detail


def test_what_is_not_taken_is_tried_again_under_the_same_id_and_the_state_says_so(laravel_api, hire):
    laravel_api.behaviour = says(b"", 500)
    worker = hire()
    say(worker, b"one")
    wait_until(lambda: len(laravel_api.asked) >= 2, "a second attempt")
    wait_until(lambda: not worker.state().ok, "the state to say so")
    assert worker.state().waiting == 1 and "webhook_status_5xx" in worker.state().detail
    laravel_api.behaviour = says(b"", 200)
    wait_until(lambda: worker.state().ok and worker.state().waiting == 0, "it to be taken")
    assert len({asked.headers["webhook-id"] for asked in laravel_api.asked}) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (says(b"", 204), "ok"),
        (HTML, "ok"),
        (HUGE, "ok"),
        (says(b"", 500), "webhook_status_5xx"),
        (says({"message": "CSRF token mismatch."}, 419), "webhook_status_4xx"),
        (REDIRECT, "webhook_status_3xx"),
        (garbage, "webhook_unreachable"),
        (breaks_off, "webhook_unreachable"),
        (hangs_up, "webhook_unreachable"),
    ],
    ids=["204", "html", "huge", "500", "419", "redirect", "garbage", "half", "hang up"],
)
def test_what_counts_as_taken(laravel_api, answer, code):
    laravel_api.behaviour = answer
    delivery = Delivery(f"{laravel_api.url}/webhooks", lambda: (KEY,))
    outcome = delivery.send((b'"one"',), "0" * 32)
    assert (outcome.code, outcome.ok) == (code, code == "ok")
    assert {asked.path for asked in laravel_api.asked} == {"/webhooks"}


def test_while_keys_are_changed_the_one_that_laravel_knows_is_found(laravel_api):
    new = AppKey("new-key", "new-secret-new-secret")
    known = KEY.key

    def verifies(connection, asked):
        says(b"", 204 if asked.headers["x-pusher-key"] == known else 401)(connection, asked)

    laravel_api.behaviour = verifies
    delivery = Delivery(laravel_api.url, lambda: (new, KEY))
    codes = [delivery.send((), "0" * 32).code for _ in range(3)]
    assert codes == ["webhook_status_4xx", "ok", "ok"]
    known = new.key
    assert [delivery.send((), "0" * 32).ok for _ in range(3)] == [False, True, True]


def test_a_receiver_that_hangs_holds_up_nobody_but_itself(laravel_api, hire):
    def never(connection, asked):
        gevent.sleep(30)

    laravel_api.behaviour = never
    worker = hire()
    say(worker, b"one")
    wait_until(lambda: laravel_api.asked, "an attempt")
    say(worker, b"two")  # returns at once
    wait_until(lambda: worker.state().waiting == 2, "the leader to see both", 3)


def test_without_a_key_nothing_is_sent_and_everything_is_kept(laravel_api, hire):
    def unknown() -> tuple[AppKey, ...]:
        raise NotFound("There is no app with this id.", code="app_unknown")

    worker = hire(keys=unknown)
    say(worker, b"one")
    wait_until(lambda: "app_unknown" in worker.state().detail, "the state to say so")
    assert laravel_api.asked == [] and worker.state().waiting == 1


def test_the_dead_are_counted_and_a_table_that_is_away_is_told(laravel_api, hire):
    laravel_api.behaviour = says(b"", 500)
    letters = Letters()
    worker = hire(letters=letters, give_up=0.2)
    say(worker, b"one")
    wait_until(lambda: letters, "it to be given up")
    assert [(each.events, each.code) for each in letters] == [((b'{"name":"one"}',), "webhook_status_5xx")]
    wait_until(lambda: worker.state().waiting == 0, "the queue to be empty")
    assert worker.state().ok  # nothing waits for Laravel
    worker.stop()
    counting = hire(letters=letters)
    wait_until(lambda: counting.state().dead == 1, "it to be counted")
    assert counting.state().ok and "Dead letters: 1;" in counting.state().detail
    counting.stop()
    letters.away = True
    other = hire(letters=letters)
    wait_until(lambda: "cannot be kept" in other.state().detail, "the state to say so")
    assert not other.state().ok


def test_of_two_workers_one_sends_and_the_other_takes_over(laravel_api, hire, redis_server):
    laravel_api.behaviour = says(b"", 200)
    name = Delivery(f"{laravel_api.url}/webhooks", lambda: (KEY,)).name
    client = command_client(redis_server.url)

    def worker(number: int) -> Webhooks:
        lead = LeasedLeadership(client, "lead", f"w{number}", 2.0, 0.5)
        return hire(RedisQueues(client, "test", [name]), lead)

    first = worker(1)
    wait_until(lambda: first.state().leader, "a leader")
    second = worker(2)
    say(second, b"one")
    wait_until(lambda: laravel_api.asked, "a webhook")
    assert not second.state().leader
    first.stop()
    wait_until(lambda: second.state().leader, "the other to lead")
    say(second, b"two")
    wait_until(lambda: len(laravel_api.asked) == 2, "the next one")
    assert bodies(laravel_api) == [["one"], ["two"]]


def test_a_defect_in_a_look_is_told_and_costs_the_worker_nothing(laravel_api, hire, caplog):
    class Broken:
        def begin(self) -> None: ...

        def look(self) -> None:
            raise ZeroDivisionError

    laravel_api.behaviour = says(b"", 204)
    worker = hire(occupancy=Broken())
    wait_until(lambda: "defect" in worker.state().detail, "the state to say so")
    say(worker, b"one")
    wait_until(lambda: laravel_api.asked, "a webhook all the same")
    assert "webhooks_failed" in caplog.messages
