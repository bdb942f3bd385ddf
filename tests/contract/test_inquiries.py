"""Asking workers: the answers of all, who was silent, and bounds; in one process and over Redis."""

import time
from dataclasses import dataclass

import pytest

from mechamap.broker.inquiries import LocalInquiries, RedisInquiries
from mechamap.domain.errors import BrokerUnavailable, NotFound
from mechamap.domain.inquiries import MAX_ANSWER
from mechamap.hub.inquiries import Inquiries
from tests.contract.conftest import describe


class Workers:
    """A roster of these workers."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def workers(self):
        return [describe(each, slot) for slot, each in enumerate(self.ids)]


@dataclass(frozen=True)
class About:
    name: str


@pytest.fixture
def hire(request, redis_server):
    """Start a worker that answers; all of them on one roster."""
    made, roster = [], Workers()

    def make(worker: str, kind: str = "redis", answering: bool = True) -> Inquiries:
        link = LocalInquiries(worker) if kind == "local" else RedisInquiries(redis_server.url, worker)
        inquiries = Inquiries(link, roster)
        inquiries.answers("greeting", About, lambda about: {"said": f"{worker} greets {about.name}"})
        roster.ids = (*roster.ids, worker)
        if answering:
            link.start(inquiries.answer)
            made.append(link)
        return inquiries

    yield make
    for link in made:
        link.stop()


@pytest.fixture(params=["local", "redis"])
def alone(request, hire):
    return hire("a", request.param)


def test_a_worker_answers_what_it_is_asked(alone):
    answered = alone.ask("greeting", {"name": "Ngô"}, dict[str, str])
    assert answered.answers == {"a": {"said": "a greets Ngô"}}
    assert answered.complete


@pytest.mark.parametrize(
    ("kind", "asked", "into"),
    [("unheard", {}, dict), ("greeting", {"name": 7}, dict), ("greeting", {"name": "x"}, list[int])],
    ids=["unknown kind", "malformed question", "malformed answer"],
)
def test_a_worker_without_a_readable_answer_is_silent(alone, kind, asked, into):
    answered = alone.ask(kind, asked, into)
    assert answered.answers == {}
    assert [worker.id for worker in answered.silent] == ["a"]


def test_an_answer_that_fails_or_is_too_large_is_no_answer(alone):
    def missing(_):
        raise NotFound("no such connection", code="not_connected")

    alone.answers("missing", dict, missing)
    alone.answers("broken", dict, lambda _: 1 / 0)
    alone.answers("large", dict, lambda _: "x" * MAX_ANSWER)
    for kind in ("missing", "broken", "large"):
        assert not alone.ask(kind, {}, object).complete
    assert alone.ask("greeting", {"name": "Lê"}, dict).complete


def test_all_workers_are_asked_at_once_or_one_alone(hire):
    asker, _ = hire("a"), hire("b")
    assert set(asker.ask("greeting", {"name": "x"}, dict).answers) == {"a", "b"}
    assert set(asker.ask("greeting", {"name": "x"}, dict, worker="b").answers) == {"b"}
    assert asker.ask("greeting", {"name": "x"}, dict, worker="gone").answers == {}


def test_who_does_not_answer_is_named_and_not_waited_for_long(hire, redis_server):
    asker, _ = hire("a"), hire("b", answering=False)
    began = time.monotonic()
    answered = asker.ask("greeting", {"name": "x"}, dict)
    assert time.monotonic() - began < 1.5
    assert set(answered.answers) == {"a"}
    assert [worker.id for worker in answered.silent] == ["b"]
    assert all(0 < redis_server.client().pttl(key) <= 2000 for key in redis_server.client().keys("*asked*"))


def test_what_a_stranger_writes_into_redis_is_passed_over(hire, redis_server):
    asker = hire("a")

    redis_server.client().rpush(f"{asker._asking._prefix}:asked:a", b"{not json", b'{"id":7}')
    assert asker.ask("greeting", {"name": "x"}, dict).complete


def test_workers_answer_again_after_redis_was_away(hire, redis_server):
    asker = hire("a")
    assert asker.ask("greeting", {"name": "x"}, dict).complete
    redis_server.stop()
    with pytest.raises(BrokerUnavailable):
        asker.ask("greeting", {"name": "x"}, dict)
    redis_server.start()
    end = time.monotonic() + 5
    while not asker.ask("greeting", {"name": "x"}, dict).complete:
        assert time.monotonic() < end
