"""The order of commits, by real transactions that overlap, on MariaDB; and that nobody makes Laravel wait."""

import threading

import gevent
import pytest
from sqlalchemy import text

from tests.services.processes import wait_until

from .conftest import Laravel, accepted, prepare

pytestmark = pytest.mark.parametrize("site", ["mariadb"], indirect=True)


def test_a_transaction_that_commits_late_is_published_late_and_not_lost(laravel: Laravel, hire):
    worker = hire()
    with laravel.site.engine.begin() as slow:
        laravel.write("written first, committed last", on=slow)
        laravel.write("a")
        worker.sent("a")
        laravel.write("b")
        worker.sent("a", "b")
        laravel.emptied()
    worker.sent("a", "b", "written first, committed last")


def test_a_gap_of_a_rolled_back_transaction_delays_nobody(laravel: Laravel, hire):
    worker = hire()
    with laravel.site.engine.connect() as undone:
        laravel.write("never", on=undone)
        undone.rollback()
    laravel.write("a")
    worker.sent("a")
    with laravel.site.engine.connect() as undone:
        laravel.write("never", on=undone)
        laravel.write("b")
        worker.sent("a", "b")
        undone.rollback()
    laravel.write("c")
    worker.sent("a", "b", "c")


def test_a_late_commit_waits_for_what_was_committed_before_a_look(laravel: Laravel, hire, monkeypatch):
    """Its id is lower than those of a backlog that was seen before it: the backlog goes first."""
    monkeypatch.setattr("mechamap.outbox.backlog.SERIES", 2)
    with laravel.site.engine.begin() as slow:
        laravel.write("late", on=slow)
        for n in range(6):
            laravel.write(f"e{n}")
        gate = gevent.event.Event()

        def hold(series):
            gate.wait()
            return accepted(series)

        worker = hire(answer=hold)
        wait_until(lambda: worker.series, "the first series to be under way", 5)
    gate.set()
    worker.sent(*(f"e{n}" for n in range(6)), "late")


def test_neither_waits_for_the_other(laravel: Laravel, hire):
    """Rows that are not committed are locked, and deleting others must not touch them, nor lock the gap where
    the next ones go."""
    for n in range(20):
        laravel.write(f"e{n}")
    with laravel.site.engine.begin() as first, laravel.site.engine.begin() as second:
        for connection in (first, second):
            connection.execute(text("SET innodb_lock_wait_timeout = 1"))
        laravel.write("open", on=first)
        laravel.write("nowhere", "nowhere")
        laravel.write("open", on=second)
        # with fresh statistics a plain DELETE would scan
        laravel.site.execute("ANALYZE TABLE rt_outbox")
        worker = hire()
        worker.sent(*(f"e{n}" for n in range(20)))
        wait_until(lambda: laravel.dead() and len(laravel.left()) == 1, "what is committed to be settled", 3)
        laravel.write("open", on=first)
        assert worker.relay.state().ok
    wait_until(lambda: len(worker.published) == 23, "all that were open", 5)


def test_in_turn_ids_have_the_order_of_commits(site, server_for):
    laravel = prepare(site, server_for, in_turn=True)
    done: list[str] = []

    def write_second() -> None:
        laravel.write("second")
        done.append("second")

    with site.engine.begin() as first:
        laravel.write("first", on=first)
        thread = threading.Thread(target=write_second)
        thread.start()
        gevent.sleep(0.3)
        assert done == []
        laravel.write("also first", on=first)
        done.append("first")
    thread.join(5)
    assert done == ["first", "second"]
    assert [event for event, _ in laravel.left()] == ["first", "also first", "second"]
