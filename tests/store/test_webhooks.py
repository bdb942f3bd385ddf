"""Webhooks that were given up, in our table, on SQLite and on MariaDB."""

import json

import pytest

from mechamap.domain.errors import NotFound
from mechamap.store import webhooks
from mechamap.store.webhooks import WebhookFailures
from mechamap.webhooks.protocol import Letter

from .site import Server

EVENT = {"name": "client_event", "channel": "presence-thread.7", "data": '{"é":"😀"}'}
URL = "https://laravel.test/webhooks"


def letter(number: int, *, size: int = 1, **changed: object) -> Letter:
    events = (json.dumps(EVENT, ensure_ascii=False).encode(),) * size
    given = {"batch_id": f"{number:032x}", "receiver": URL, "events": events, "code": "webhook_timeout"}
    return Letter(**{**given, "attempts": 14, **changed})


@pytest.fixture
def failures(own_server: Server) -> WebhookFailures:
    return WebhookFailures(own_server.databases.own)


def test_a_letter_comes_back_as_it_was_kept(failures: WebhookFailures):
    failures.keep(letter(1, size=2))
    [row] = failures.recent(10)
    assert (row.batch_id, row.receiver, row.count) == (f"{1:032x}", URL, 2)
    assert (row.code, row.attempts) == ("webhook_timeout", 14)
    assert failures.find(row.id) == (row, [EVENT, EVENT])
    with pytest.raises(NotFound) as refused:
        failures.find(row.id + 1)
    assert refused.value.code == "webhook_unknown"


def test_the_largest_webhook_fits(failures: WebhookFailures):
    failures.keep(letter(1, events=(b'"' + b"x" * 150_000 + b'"',)))
    [failure_id] = failures.ids()
    assert failures.find(failure_id)[1] == ["x" * 150_000]


def test_one_that_was_kept_already_is_kept_once(failures: WebhookFailures):
    failures.keep(letter(1))
    failures.keep(letter(1))
    failures.keep(letter(2))
    assert failures.count() == 2


def test_of_too_many_the_oldest_go(failures: WebhookFailures, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST", 3)
    for number in range(5):
        failures.keep(letter(number))
    assert [row.batch_id for row in failures.recent(10)] == [f"{n:032x}" for n in (4, 3, 2)]
    assert len(failures.recent(2)) == 2


def test_another_vain_attempt_is_noted_and_what_is_done_with_goes(failures: WebhookFailures):
    for number in range(3):
        failures.keep(letter(number))
    one, two, three = failures.ids()
    failures.failed_again(two, "webhook_status_5xx")
    assert (failures.find(two)[0].attempts, failures.find(two)[0].code) == (15, "webhook_status_5xx")
    assert failures.remove((one, three, 99)) == 2
    assert failures.ids() == (two,)
