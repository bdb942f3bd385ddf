"""From the table to the broker: once, in order, whatever goes wrong around it; on SQLite and MariaDB."""

import logging

import gevent
import pytest

from mechamap.broker.memory import MemoryBroker
from mechamap.broker.protocol import Published
from mechamap.domain.errors import BrokerUnavailable, PayloadTooLarge
from mechamap.domain.publication import Receipt
from mechamap.outbox import backlog, reading
from tests.contract.recorder import Recorder
from tests.services.processes import wait_until

from .conftest import accepted


def test_rows_are_published_under_their_own_ids_in_order_and_go(laravel, hire):
    worker = hire()
    names = [f"e{n}" for n in range(300)]
    laravel.site.add("rt_outbox", *({"event": n, "channels": "public.news", "data": "1"} for n in names))
    ids = [row[0] for row in laravel.site.execute("SELECT uuid FROM rt_outbox ORDER BY id")]
    worker.sent(*names)
    laravel.emptied()
    published = [publication.id for publication in worker.published]
    assert len(set(published)) == 300 and published[len(published) - len(ids) :] == ids
    assert worker.codes == ["accepted"] * 300
    assert max(worker.series) == backlog.SERIES


def test_what_the_row_says_is_what_is_published(laravel, hire):
    laravel.write("multi", '["public.a", "private-user.2"]', data='{"title": "đai ốc 🔩\\u00e9"}')
    laravel.write("others", "forum.7", data="[]", except_socket="abc")
    worker = hire()
    worker.sent("multi", "others")
    multi, others = worker.published
    assert [channel.name for channel in multi.channels] == ["public.a", "private-user.2"]
    assert multi.payload == '{"title":"đai ốc 🔩é"}'.encode()
    assert multi.except_id is None and multi.origin == "laravel-outbox"
    assert (others.channels[0].canonical, others.payload, others.except_id) == ("forum:7", b"[]", "abc")


def test_a_row_that_is_published_again_is_accepted_once(laravel, hire):
    broker = MemoryBroker()
    broker.start(Recorder())
    worker = hire(answer=broker.publish_many)
    laravel.write("first", uuid="one")
    worker.sent("first")
    laravel.emptied()
    laravel.write("first", uuid="one")
    laravel.write("other", uuid="one")
    laravel.write("last", uuid="two")
    worker.sent("first", "first", "last")
    assert [event.event for event in broker.history("public:news", None, 10).events] == ["first", "last"]
    wait_until(lambda: laravel.dead() == {"other": "idempotency_conflict"}, "the other to be dead", 3)
    broker.stop()


def test_refused_rows_become_dead_letters_and_stop_nobody(laravel, hire, caplog):
    caplog.set_level(logging.WARNING)
    laravel.write("a")
    laravel.write("nowhere", "s3cret")
    laravel.write("disconnect")
    laravel.write("broken", data='{"s3cret": ')
    laravel.write("deep", data="[" * 40 + "]" * 40)
    laravel.write("large", data='"' + "x" * 2_000 + '"')
    laravel.write("huge", data='"' + "x" * 9_000 + '"')
    laravel.write("names", '["public.a", 7]')
    laravel.write("anonymous", uuid="")
    laravel.write("b")
    worker = hire(max_bytes=1_000)
    worker.sent("a", "b")
    wait_until(lambda: len(laravel.left()) == 8, "the others to be dead", 3)
    assert laravel.dead() == {
        "nowhere": "channel_unknown",
        "disconnect": "event_reserved",
        "broken": "data_invalid",
        "deep": "data_too_deep",
        "large": "payload_too_large",
        "huge": "payload_too_large",
        "names": "channel_required",
        "anonymous": "uuid_invalid",
    }
    assert sorted(worker.codes) == sorted(["accepted", "accepted", *laravel.dead().values()])
    wait_until(lambda: worker.relay.state().lag == 0, "nothing to wait", 2)
    lines = [record for record in caplog.records if record.getMessage() == "outbox_refused"]
    assert sum(sum(line.counts.values()) for line in lines) == 8
    assert "s3cret" not in str([vars(line) for line in lines])


def test_text_that_is_not_utf8_costs_its_row(laravel, hire):
    if laravel.site.sqlite:  # MariaDB does not take it
        laravel.site.execute(
            "INSERT INTO rt_outbox (event, channels, data) VALUES (CAST(x'ff' AS TEXT), 'public.a', '1'),"
            " ('x', 'public.a', CAST(x'22ff22' AS TEXT)), ('y', CAST(x'ff' AS TEXT), '1')"
        )
    laravel.write("good")
    worker = hire()
    worker.sent("good")


def test_a_row_the_broker_cannot_carry_is_dead_and_the_next_ones_follow(laravel, hire):
    def answer(series):
        receipts = []
        for each in series:
            if each.event.startswith("bad"):
                return Published(tuple(receipts), PayloadTooLarge("data", 2, 1))
            receipts.append(Receipt(each.id, {}))
        return Published(tuple(receipts))

    for name in ("bad1", "a", "bad2", "bad3", "b", "bad4"):
        laravel.write(name)
    worker = hire(answer=answer)
    worker.sent("a", "b")
    wait_until(lambda: len(laravel.dead()) == 4, "four to be dead", 2)
    assert [event for event, _ in laravel.left()] == ["bad1", "bad2", "bad3", "bad4"]


def test_a_defect_in_reading_costs_its_row(laravel, hire, monkeypatch, caplog):
    read = reading.read_broadcast

    def broken(body, *rest, **more):
        if body["event"] == "defect":
            raise ZeroDivisionError
        return read(body, *rest)

    monkeypatch.setattr(reading, "read_broadcast", broken)
    laravel.write("defect")
    laravel.write("good")
    hire().sent("good")
    wait_until(lambda: laravel.dead() == {"defect": "internal_error"}, "the defect to be dead", 2)
    assert "outbox_failed" in caplog.text


def test_what_the_broker_did_not_take_is_tried_again_in_order_under_the_same_ids(laravel, hire):
    tried: list[list[str]] = []

    def half(series):
        tried.append([each.id for each in series])
        if len(tried) < 4:
            return Published(tuple(Receipt(each.id, {}) for each in series[:1]), BrokerUnavailable("away"))
        return accepted(series)

    names = ["a", "b", "c", "disconnect", "d", "e", "f"]
    for name in names:
        laravel.write(name)
    worker = hire(answer=half)
    wait_until(lambda: not worker.relay.state().ok, "the state to turn red", 2)
    assert worker.relay.state().detail == "away" and worker.relay.state().lag > 0
    names.remove("disconnect")
    worker.sent(*names)
    laravel.write("g")
    worker.sent(*names, "g")
    wait_until(lambda: worker.relay.state().ok, "the state to turn green", 5)
    ids = [each.id for each in worker.published]
    for attempt in tried[:4]:
        assert attempt == ids[ids.index(attempt[0]) : ids.index(attempt[0]) + len(attempt)]
    assert worker.codes.count("event_reserved") == 1


def test_the_database_goes_away_and_nothing_is_published_twice_by_its_leader(request, laravel, hire):
    """Accepted, and then the row cannot be deleted: the leader remembers until it can."""
    if laravel.site.sqlite:
        laravel.site.execute(
            "CREATE TRIGGER held BEFORE DELETE ON rt_outbox BEGIN SELECT RAISE(ABORT, 'held'); END"
        )
    worker = hire()
    worker.leads()
    if not laravel.site.sqlite:
        server = request.getfixturevalue("mariadb_server")
        worker.answer = lambda series: (server.kill(), accepted(series))[1]
    laravel.write("once")
    worker.sent("once")
    wait_until(lambda: not worker.relay.state().ok, "the state to turn red", 5)
    worker.answer = None
    assert "127.0.0.1" not in worker.relay.state().detail
    gevent.sleep(0.5)
    if laravel.site.sqlite:
        laravel.site.execute("DROP TRIGGER held")
    else:
        server.start()
        laravel.site.engine.dispose()
    laravel.write("next")
    wait_until(lambda: len(worker.published) >= 2, "the next to be published", 15)
    laravel.emptied()
    assert worker.events == ["once", "next"]
    wait_until(lambda: worker.relay.state().ok, "the state to turn green", 5)


def test_without_its_table_it_says_so_and_goes_on_when_it_is_made(laravel, hire):
    laravel.site.execute("ALTER TABLE rt_outbox RENAME TO elsewhere")
    worker = hire()
    wait_until(lambda: "flask outbox sql" in worker.relay.state().detail, "the sentence", 3)
    laravel.site.execute("ALTER TABLE elsewhere RENAME TO rt_outbox")
    laravel.write("found")
    wait_until(lambda: worker.events == ["found"], "the row", 8)


def test_a_dead_letter_that_was_mended_is_published_when_it_may_try_again(laravel, hire):
    laravel.write("mended", "nowhere")
    worker = hire()
    wait_until(lambda: laravel.dead() == {"mended": "channel_unknown"}, "it to be dead", 3)
    laravel.site.execute("UPDATE rt_outbox SET channels = 'public.news'")
    [letter] = laravel.rows.dead(10)
    laravel.rows.retry(letter.id)
    worker.sent("mended")
    laravel.emptied()


def test_a_series_is_bounded_in_bytes(laravel, hire, monkeypatch):
    monkeypatch.setattr(backlog, "SERIES_BYTES", 5_000)
    for n in range(6):
        laravel.write(f"e{n}", data='"' + "x" * 2_400 + '"')
    worker = hire()
    worker.sent(*(f"e{n}" for n in range(6)))
    assert worker.series == [2, 2, 2]


@pytest.mark.parametrize("look", [3, 10_000])
def test_a_backlog_deeper_than_a_look_is_published_whole(laravel, hire, monkeypatch, look):
    monkeypatch.setattr(backlog, "LOOK", look)
    for n in range(10):
        laravel.write(f"e{n}")
    hire().sent(*(f"e{n}" for n in range(10)))
    laravel.emptied()
