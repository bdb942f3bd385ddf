"""The memory in front of look-ups: what is shared, what is forgotten, what is bounded."""

from collections.abc import Callable, Collection

import gevent
import pytest
from gevent.event import Event

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.store.cache import BATCH, FactCache


class Table:
    """Rows behind the cache, and a note of every query."""

    def __init__(self) -> None:
        self.rows = {number: f"row {number}" for number in range(2000)}
        self.queries: list[set[int]] = []
        self.hold: Callable[[], object] = lambda: None
        self.error: Exception | None = None

    def load(self, keys: Collection[int]) -> dict[int, str]:
        self.queries.append(set(keys))
        found = {key: self.rows[key] for key in keys if key in self.rows}
        self.hold()
        if self.error is not None:
            raise self.error
        return found


@pytest.fixture
def table() -> Table:
    return Table()


def test_a_row_is_kept_until_its_time_is_over(table: Table) -> None:
    now = [0.0]
    cache = FactCache(table.load, 5.0, clock=lambda: now[0])
    assert cache.get(1) == cache.get(1) == "row 1"
    now[0] = 5.0
    cache.get(1)
    assert table.queries == [{1}, {1}]


def test_a_missing_row_is_not_remembered(table: Table) -> None:
    cache = FactCache(table.load, 60.0)
    assert cache.get(5000) is None
    table.rows[5000] = "new"
    assert cache.get(5000) == "new"


def test_with_no_time_at_all_nothing_is_kept(table: Table) -> None:
    cache = FactCache(table.load, 0.0)
    cache.get(1)
    cache.get(1)
    assert table.queries == [{1}, {1}]
    assert len(cache) == 0


def test_concurrent_questions_about_one_row_share_a_query(table: Table) -> None:
    gate = Event()
    table.hold = gate.wait
    cache = FactCache(table.load, 0.0)
    jobs = [gevent.spawn(cache.get, 1) for _ in range(50)]
    gevent.sleep(0.01)
    gate.set()
    assert {job.get() for job in jobs} == {"row 1"}
    assert table.queries == [{1}]


def test_questions_asked_while_a_query_runs_are_put_into_the_next(table: Table) -> None:
    gate = Event()
    table.hold = gate.wait
    cache = FactCache(table.load, 60.0)
    jobs = [gevent.spawn(cache.get, number) for number in range(BATCH + 100)]
    gevent.sleep(0.01)
    gate.set()
    assert [job.get() for job in jobs] == [f"row {number}" for number in range(BATCH + 100)]
    assert len(table.queries) <= 3
    assert max(map(len, table.queries)) <= BATCH


def test_a_failure_is_told_to_everyone_who_waits_and_not_remembered(table: Table) -> None:
    gate = Event()
    table.hold, table.error = gate.wait, DirectoryUnavailable("away", retry_after=3)
    cache = FactCache(table.load, 60.0)
    jobs = [gevent.spawn(cache.get, 1) for _ in range(3)]
    gevent.sleep(0.01)
    gate.set()
    gevent.joinall(jobs)
    assert [(type(job.exception), job.exception.retry_after) for job in jobs] == [
        (DirectoryUnavailable, 3)
    ] * 3
    table.error = None
    assert cache.get(1) == "row 1"


def test_a_defect_in_the_look_up_answers_and_leaves_the_cache_working(
    table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    table.error = KeyError("defect")
    cache = FactCache(table.load, 60.0)
    with pytest.raises(DirectoryUnavailable):
        cache.get(1)
    assert "lookup_failed" in caplog.text
    table.error = None
    assert cache.get(1) == "row 1"


def test_a_waiter_that_is_killed_takes_nobody_with_it(table: Table) -> None:
    gate = Event()
    table.hold = gate.wait
    cache = FactCache(table.load, 60.0)
    first, second = gevent.spawn(cache.get, 1), gevent.spawn(cache.get, 1)
    gevent.sleep(0.01)
    first.kill()
    gate.set()
    assert second.get() == "row 1"


def test_what_is_forgotten_during_a_query_is_asked_for_again(table: Table) -> None:
    gate = Event()
    table.hold = gate.wait
    cache = FactCache(table.load, 60.0)
    old = gevent.spawn(cache.get, 1)
    gevent.sleep(0.01)
    table.rows[1] = "changed"
    cache.forget(1)
    gate.set()
    assert old.get() == "row 1"
    assert cache.get(1) == "changed"


def test_rows_put_after_something_was_forgotten_are_not_kept(table: Table) -> None:
    cache = FactCache(table.load, 60.0)
    ticket = cache.ticket()
    cache.forget(1)
    cache.put({1: "stale"}, ticket)
    assert cache.get(1) == "row 1"


def test_rows_put_are_answered_without_a_query(table: Table) -> None:
    cache = FactCache(table.load, 60.0)
    cache.put({1: "put"}, cache.ticket())
    assert cache.get(1) == "put"
    assert table.queries == []


def test_the_number_of_rows_is_bounded(table: Table) -> None:
    cache = FactCache(table.load, 60.0, size=10)
    for number in range(100):
        cache.get(number)
    assert len(cache) == 10
    table.queries.clear()
    cache.get(99)
    assert table.queries == []


def test_questions_of_one_turn_of_the_loop_share_a_query(table: Table) -> None:
    cache = FactCache(table.load, 60.0)
    jobs = [gevent.spawn(cache.get, number) for number in range(50)]
    assert [job.get() for job in jobs] == [f"row {number}" for number in range(50)]
    assert table.queries == [set(range(50))]


def test_a_row_is_as_old_as_its_query(table: Table) -> None:
    now = [0.0]
    table.hold = lambda: now.__setitem__(0, now[0] + 3.0)
    cache = FactCache(table.load, 5.0, clock=lambda: now[0])
    cache.get(1)
    now[0] = 5.0
    cache.get(1)
    assert table.queries == [{1}, {1}]


def test_a_key_that_was_forgotten_during_a_query_is_in_the_next_even_for_who_asks_at_once(
    table: Table,
) -> None:
    gate = Event()
    table.hold = gate.wait
    cache = FactCache(table.load, 60.0)
    old = gevent.spawn(cache.get, 1)
    gevent.sleep(0.01)
    table.rows[1] = "changed"
    cache.forget(1)
    new = gevent.spawn(cache.get, 1)
    gevent.sleep(0.01)
    gate.set()
    assert (old.get(), new.get(), cache.get(1)) == ("row 1", "changed", "changed")
    assert table.queries == [{1}, {1}]


def test_rows_out_of_date_are_let_go_without_being_asked_for(table: Table) -> None:
    cache = FactCache(table.load, 0.02)
    for number in range(10):
        cache.get(number)
    gevent.sleep(0.1)
    assert len(cache) == 0
    assert cache.get(1) == "row 1"


def test_a_row_that_is_kept_again_is_the_newest(table: Table) -> None:
    now = [0.0]
    cache = FactCache(table.load, 60.0, size=2, clock=lambda: now[0])
    for number in (1, 2):
        cache.get(number)
    now[0] = 30.0
    cache.put({1: "again"}, cache.ticket())
    cache.get(3)
    table.queries.clear()
    assert (cache.get(1), cache.get(3)) == ("again", "row 3")
    assert table.queries == []
