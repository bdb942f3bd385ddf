"""Of two announcements of one row the first is accepted."""

from dataclasses import replace

import gevent

from mechamap.domain.idempotency import Once
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until

from .test_once import names


def twin(name: str, *channels: str, id: str = "5", seconds: float = 30.0):
    """One of the two announcements of a row to user 7."""
    made = event(name, *(channels or ("private-user.7",)), data={"name": name})
    return replace(made, once=Once.of_name("notification", "7", id, seconds=seconds))


def test_the_first_of_two_twins_is_accepted_whatever_the_other_holds(worker: Worker):
    worker.broker.subscribe("user:7")
    first = worker.broker.publish(twin("notification"))
    again = worker.broker.publish(twin("notification.received", "private-user.7", "public.news"))
    assert again == replace(first, duplicate=True, subscribers={})
    assert not worker.broker.publish(twin("other", id="6")).duplicate
    worker.broker.publish(event("end", "private-user.7"))
    worker.heard("notification", "other", "end")


def test_a_twins_name_ends_before_other_names_do(worker: Worker):
    kept = worker.broker.publish(event("x", called="k"))
    worker.broker.publish(twin("first", seconds=0.1))
    again = twin("second", seconds=0.1)
    wait_until(lambda: not worker.broker.publish(again).duplicate, "the twin's name to end", 3)
    assert worker.broker.publish(event("x", called="k")) == replace(kept, duplicate=True)
    assert names(worker, "user:7") == ["first", "second"]


def test_twins_on_two_workers_at_once_are_one(redis_worker: Hire):
    workers = [redis_worker(), redis_worker()]
    sent = [
        gevent.spawn(worker.broker.publish, twin(name, id=str(row)))
        for row in range(20)
        for worker, name in zip(workers, ("notification", "notification.received"), strict=True)
    ]
    receipts = [each.get() for each in sent]
    assert all(a.duplicate != b.duplicate for a, b in zip(receipts[::2], receipts[1::2], strict=True))
