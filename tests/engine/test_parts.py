"""The small parts: ids, slots, outbox, lane, clock."""

import time
from types import SimpleNamespace

import gevent
import gevent.socket
import pytest

from mechamap.engine import ids, slots
from mechamap.engine.clock import Clock, Timed
from mechamap.engine.lane import Lane
from mechamap.engine.outbox import Outbox
from mechamap.engine.turn import breathe


def packet(size: int) -> SimpleNamespace:
    return SimpleNamespace(size=size)


# --- ids and slots ---


@pytest.mark.parametrize("slot", [0, 1, 9, 4242])
def test_an_id_tells_its_slot(slot):
    id = ids.new_id(slot)
    assert ids.slot_of(id) == slot
    assert ids.is_id(id)


@pytest.mark.parametrize(
    "text", ["", "1.2", "0" * 17 + "." + "1" * 20, "1" * 17 + "." + "1" * 20 + "\n", None, 5]
)
def test_what_is_no_id_has_no_slot(text):
    assert ids.slot_of(text) is None


def test_ids_do_not_repeat():
    assert len({ids.new_id(0) for _ in range(10_000)}) == 10_000


def test_a_new_worker_takes_the_lowest_free_slot():
    arbiter = SimpleNamespace(WORKERS={})

    def fork(pid):
        worker = SimpleNamespace()
        slots.pre_fork(arbiter, worker)
        arbiter.WORKERS[pid] = worker
        return worker.slot

    assert [fork(pid) for pid in (10, 11, 12)] == [0, 1, 2]
    del arbiter.WORKERS[11]
    assert fork(13) == 1
    assert fork(14) == 3


def test_without_gunicorn_the_slot_is_zero():
    assert slots.current_slot() == 0


# --- outbox ---


def test_an_outbox_gives_back_what_was_put_in_order():
    outbox, packets = Outbox(10, 1000), [packet(1) for _ in range(3)]
    assert [outbox.put(p) for p in packets] == [True] * 3
    assert outbox.take() == packets
    assert outbox.take() == []


def test_an_outbox_is_bounded_in_packets():
    outbox = Outbox(2, 1000)
    assert [outbox.put(packet(1)) for _ in range(3)] == [True, True, False]


def test_bytes_count_until_they_are_written_not_until_they_are_taken():
    outbox = Outbox(10, 100)
    assert outbox.put(packet(60))
    taken = outbox.take()
    assert not outbox.put(packet(60))
    outbox.sent(taken)
    assert outbox.put(packet(60))


def test_a_closed_outbox_takes_nothing_and_gives_the_rest():
    outbox = Outbox(10, 100)
    outbox.put(packet(1))
    outbox.close()
    assert not outbox.put(packet(1))
    outbox.wait()
    assert len(outbox.take()) == 1


def test_waiting_ends_with_the_next_packet():
    outbox = Outbox(10, 100)
    waiter = gevent.spawn(outbox.wait)
    gevent.sleep(0.01)
    assert not waiter.dead
    outbox.put(packet(1))
    waiter.join(1)
    assert waiter.dead


def test_discarding_frees_the_bytes():
    outbox = Outbox(10, 100)
    outbox.put(packet(100))
    outbox.discard()
    assert outbox.bytes == 0
    assert outbox.put(packet(100))


# --- lane ---


def test_a_lane_runs_one_piece_at_a_time_in_order():
    lane, seen = Lane(10), []

    def work(number, seconds):
        gevent.sleep(seconds)
        seen.append(number)

    lane.add(lambda: work(1, 0.02))
    lane.add(lambda: work(2, 0))
    lane.join(1)
    assert seen == [1, 2]


def test_a_full_lane_makes_its_reader_wait():
    lane, gate = Lane(2), gevent.event.Event()
    lane.add(gate.wait)
    gevent.sleep(0)
    lane.add(lambda: None)
    lane.add(lambda: None)
    reader = gevent.spawn(lane.add, lambda: None)
    gevent.sleep(0.01)
    assert not reader.dead
    gate.set()
    reader.join(1)
    assert reader.dead


def test_a_lane_that_is_done_says_so_unless_somebody_waits_to_add_more():
    idle, gate = [], gevent.event.Event()
    lane = Lane(1, lambda: idle.append(lane.busy))
    lane.add(gate.wait)
    gevent.sleep(0)
    lane.add(lambda: None)
    assert lane.busy
    reader = gevent.spawn(lane.add, lambda: None)
    gevent.sleep(0.01)
    gate.set()
    reader.join(1)
    lane.join(1)
    assert idle == []  # the reader still knows this lane
    quiet = Lane(1, lambda: idle.append(quiet.busy))
    quiet.add(lambda: None)
    quiet.join(1)
    assert idle == [False]


def test_a_failing_piece_does_not_stop_the_next(caplog):
    lane, seen = Lane(10), []
    lane.add(lambda: 1 / 0)
    lane.add(lambda: seen.append(1))
    lane.join(1)
    assert seen == [1]
    assert "event_handler_failed" in caplog.text


@pytest.mark.parametrize(("discard", "expected"), [(True, []), (False, [1])])
def test_a_closed_lane_finishes_or_forgets_what_waits(discard, expected):
    lane, seen = Lane(10), []
    lane.add(lambda: gevent.sleep(0.01))
    gevent.sleep(0)
    lane.add(lambda: seen.append(1))
    lane.close(discard=discard)
    lane.add(lambda: seen.append(2))
    lane.join(1)
    assert seen == expected


def test_a_busy_lane_lets_others_run():
    lane, seen = Lane(10_000), []
    ticker = gevent.spawn(lambda: [(gevent.sleep(0.001), seen.append(len(lane))) for _ in range(3)])

    def spin():
        sum(range(20_000))

    for _ in range(500):
        lane.add(spin)
    ticker.join(5)
    assert seen[0] > 0, "the ticker ran only after all the work was done"
    lane.close(discard=True)


# --- clock ---


def test_deadlines_run_in_the_order_of_their_times():
    clock, seen = Clock(), []
    clock.after(0.03, lambda: seen.append("late"))
    clock.after(0.01, lambda: seen.append("early"))
    clock.after(0.02, lambda: seen.append("cancelled")).cancel()
    gevent.sleep(0.08)
    clock.stop()
    assert seen == ["early", "late"]


def test_a_failing_deadline_does_not_stop_the_clock(caplog):
    clock, seen = Clock(), []
    clock.after(0.001, lambda: 1 / 0)
    clock.after(0.002, lambda: seen.append(1))
    gevent.sleep(0.03)
    clock.stop()
    assert seen == [1]
    assert "deadline_failed" in caplog.text


def test_deadlines_are_kept_to_the_millisecond():
    clock, late = Clock(), []
    loop = gevent.get_hub().loop
    for n in range(1, 6):
        loop.update_now()
        due = gevent.get_hub().loop.now() + n * 0.01
        clock.after(n * 0.01, lambda due=due: late.append(gevent.get_hub().loop.now() - due))
    gevent.sleep(0.1)
    clock.stop()
    assert len(late) == 5
    assert min(late) > -0.002


class Bell(Timed):
    """Rings when it is due."""

    def __init__(self, rung):
        super().__init__()
        self.rung = rung

    def fire(self):
        self.rung.append(time.monotonic())


@pytest.mark.parametrize(("first", "again"), [(0.01, 0.03), (0.03, 0.01), (0.35, 0.03), (0.01, 0.35)])
def test_what_is_set_anew_fires_once_at_its_new_time(first, again):
    clock, rung = Clock(), []
    bell, began = Bell(rung), time.monotonic()
    clock.set(bell, first)
    clock.set(bell, again)
    gevent.sleep(0.5)
    clock.stop()
    assert len(rung) == 1
    assert rung[0] - began > again - 0.002


def test_what_fired_may_be_set_again_and_what_is_cancelled_does_not_fire():
    clock, rung = Clock(), []
    bell = Bell(rung)
    for _ in range(2):
        clock.set(bell, 0.01)
        gevent.sleep(0.05)
    clock.set(bell, 0.01)
    bell.cancel()
    gevent.sleep(0.05)
    clock.stop()
    assert len(rung) == 2
    assert bell.due is None


def test_cancelled_deadlines_do_not_pile_up():
    clock = Clock()
    for _ in range(10_000):
        clock.after(20, print).cancel()
    assert len(clock) == 0
    clock.stop()


def test_a_deadline_beyond_the_next_bucket_is_kept_to_the_millisecond_too():
    clock, late = Clock(), []
    due = clock.now() + 0.35
    clock.after(0.35, lambda: late.append(clock.now() - due))
    gevent.sleep(0.45)
    clock.stop()
    assert len(late) == 1
    assert -0.001 < late[0] < 0.05


def test_a_far_deadline_does_not_hide_a_near_one_that_comes_later():
    clock, seen = Clock(), []
    clock.after(30, lambda: seen.append("far"))
    gevent.sleep(0.01)
    clock.after(0.01, lambda: seen.append("near"))
    gevent.sleep(0.05)
    clock.stop()
    assert seen == ["near"]


def test_many_deadlines_at_once_let_others_in_between():
    clock, order = Clock(), []

    def work():
        sum(range(20_000))
        order.append("deadline")

    for _ in range(300):
        clock.after(0.01, work)
    gevent.spawn_later(0.02, order.append, "other")
    gevent.sleep(0.5)
    clock.stop()
    assert order.count("deadline") == 300
    assert order.index("other") < 300


def test_a_lane_calls_once_when_it_has_room_again():
    lane, gate, called = Lane(2), gevent.event.Event(), []
    lane.add(gate.wait)
    gevent.sleep(0)
    lane.add(lambda: None)
    lane.add(lambda: None)
    assert lane.full
    lane.when_room(lambda: called.append(lane.full))
    gate.set()
    lane.join(1)
    assert called == [False]


def test_a_closed_lane_is_never_full():
    lane, called = Lane(1), []
    lane.add(lambda: gevent.sleep(0.01))
    gevent.sleep(0)
    lane.add(lambda: None)
    lane.when_room(lambda: called.append(True))
    lane.close(discard=False)
    assert called == [True]
    assert not lane.full


def test_breathing_lets_io_in_and_does_not_wait():
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        reader = gevent.spawn(ours.recv, 1)
        gevent.sleep(0)
        theirs.sendall(b"x")
        began = time.perf_counter()
        breathe()
        breathe()
        assert reader.value == b"x"
        assert time.perf_counter() - began < 0.05
