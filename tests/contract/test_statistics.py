"""One contract for the rings of the last hour; what is Redis' own is at the end."""

import time
from collections.abc import Callable

import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.statistics import BUCKET, HOUR, Load, Pulse, Sample, Tally
from mechamap.hub.statistics import ClusterStatistics
from mechamap.presence.protocol import WorkerRecord
from mechamap.statistics.memory import MemoryRing
from mechamap.statistics.redis import RedisRing
from mechamap.statistics.sampler import Sampler
from tests.clock import Clock
from tests.services.processes import free_port

LOAD = Load(connections=3, subscriptions=4, slow=1, backlog=700, largest=600, memory=9, broker=True)


@pytest.fixture
def clock() -> Clock:
    """Begins at the present ten seconds, because Redis goes by its own clock."""
    return Clock(float(int(time.time()) // BUCKET * BUCKET))


@pytest.fixture(params=["memory", "redis"])
def ring(request, clock):
    if request.param == "memory":
        return MemoryRing(clock)
    server = request.getfixturevalue("redis_server")
    server.make_fresh()
    return RedisRing(server.url, "w1", clock=clock)


def pulse(at: float, worker: str = "w1") -> Pulse:
    return Pulse(worker, at, LOAD, 1.5, 3.0, 0.02)


def sample(at: float, place: str = "here/0", connections: int = 3, **counts) -> Sample:
    return Sample(int(at), 10.0, at + 10, place, connections, 1, 700, Tally(**counts))


def sampler_of(ring, clock, count: Callable[[], Tally] = Tally, worker: str = "w1") -> Sampler:
    return Sampler(ring, worker, place=lambda: "here/0", count=count, load=lambda: LOAD, clock=clock)


def test_what_is_written_is_read_with_everything_in_it(ring, clock):
    codes = {"publication": {"accepted": 7, "channel_unknown": 1}}
    written = sample(clock.now, events=7, deliveries=90, lags=(1,) * 14, codes=codes, errors=2, stall=0.4)
    assert ring.write(pulse(clock.now), [written]) == 1
    found = ring.read(0)
    assert (found.pulses, found.samples) == ((pulse(clock.now),), (written,))


def test_a_sample_of_the_same_time_takes_the_place_of_the_earlier_one(ring, clock):
    ring.write(pulse(clock.now), [sample(clock.now, events=1)])
    assert ring.write(pulse(clock.now), [sample(clock.now, events=2)]) == 1
    assert [each.tally.events for each in ring.read(0).samples] == [2]


def test_only_what_was_asked_for_is_read(ring, clock):
    ring.write(pulse(clock.now), [sample(clock.now - 30), sample(clock.now - 20), sample(clock.now)])
    assert {each.at for each in ring.read(int(clock.now) - 20).samples} == {clock.now - 20, clock.now}


def test_the_ring_holds_an_hour_and_no_more(ring, clock):
    began = clock.now
    for number in range(HOUR // BUCKET + 50):
        clock.now = began + number * BUCKET
        kept = ring.write(pulse(clock.now), [sample(clock.now)])
    assert kept == HOUR // BUCKET
    assert {each.at for each in ring.read(0).samples} == {
        int(clock.now) - number * BUCKET for number in range(HOUR // BUCKET)
    }


def test_what_is_over_an_hour_old_is_not_read_even_where_nothing_took_its_place(ring, clock):
    ring.write(pulse(clock.now), [sample(clock.now)])
    clock.now += HOUR + BUCKET
    assert ring.read(0).samples == ()


def test_counts_of_a_sampler_are_in_the_hour_once_whatever_the_rounds(ring, clock):
    sampler = sampler_of(ring, clock, lambda: Tally(events=2, codes={"connection": {"accepted": 1}}))
    for _ in range(40):
        clock.now += 2
        sampler.round()
    overview = ClusterStatistics(ring, clock).overview([])
    assert overview.total.events == 80
    assert overview.total.codes == {"connection": {"accepted": 40}}
    assert [moment.at % BUCKET for moment in overview.hour] == [0] * 8  # the ninth begins just now
    assert overview.hour[3].events == pytest.approx(1.0)
    assert {moment.connections for moment in overview.hour} == {3}


def test_figures_of_this_moment_are_those_of_live_workers(ring, clock):
    sampler = sampler_of(ring, clock, lambda: Tally(events=2, deliveries=8, lags=(0,) * 4 + (1,) + (0,) * 9))
    for _ in range(5):
        clock.now += 2
        sampler.round()
    record = WorkerRecord("w1", 0, 10, "here", clock.now, 3, 9)
    overview = ClusterStatistics(ring, clock).overview([record])
    figures = overview.figures
    assert (figures.events, figures.deliveries, figures.slow, figures.backlog) == (1.0, 4.0, 1, 700)
    assert 0.005 < figures.p50 < figures.p99 <= 0.01
    assert overview.workers[0].pulse.load == LOAD
    assert (
        ClusterStatistics(ring, clock).overview([]).figures.events == 0
    )  # a dead worker's pulse counts no more


def test_a_watcher_sees_new_samples_behind_those_it_has_read(ring, clock):
    statistics, sampler = ClusterStatistics(ring, clock), sampler_of(ring, clock, lambda: Tally(events=1))
    for number in range(1, 100):
        clock.now += 2
        sampler.round()
        assert statistics.overview([]).total.events == number


# --- Redis ---


def test_workers_of_a_cluster_are_summed_and_the_hour_survives_them(redis_server, clock):
    rings = {name: RedisRing(redis_server.url, name, clock=clock) for name in ("w1", "w2", "watcher")}
    lags = (4, *(0,) * 13)
    rings["w1"].write(pulse(clock.now), [sample(clock.now, "a/0", 5, events=10, lags=lags)])
    rings["w2"].write(pulse(clock.now, "w2"), [sample(clock.now, "a/1", 7, events=20, lags=lags)])
    [moment] = ClusterStatistics(rings["watcher"], clock).overview([]).hour
    assert (moment.connections, moment.events, moment.tally.lags[0]) == (12, 3.0, 8)


def test_a_worker_in_a_dead_ones_place_is_not_counted_beside_it(redis_server, clock):
    dead, heir = (RedisRing(redis_server.url, name, clock=clock) for name in ("dead", "heir"))
    dead.write(
        pulse(clock.now), [Sample(int(clock.now), 4.0, clock.now + 4, "a/0", 50, 0, 0, Tally(events=4))]
    )
    heir.write(
        pulse(clock.now), [Sample(int(clock.now), 3.0, clock.now + 9, "a/0", 30, 0, 0, Tally(events=3))]
    )
    [moment] = ClusterStatistics(heir, clock).overview([]).hour
    assert (moment.connections, moment.events, moment.tally.events) == (30, 2.0, 7)


def test_what_redis_missed_or_lost_is_written_again(redis_server, clock):
    ring = RedisRing(redis_server.url, "w1", clock=clock)
    sampler = sampler_of(ring, clock, lambda: Tally(events=1))
    for _ in range(20):
        clock.now += 2
        sampler.round()
    redis_server.client().flushall()
    for _ in range(2):  # the first round finds that it is gone
        clock.now += 2
        sampler.round()
    assert ClusterStatistics(ring, clock).overview([]).total.events == 22


def test_a_ring_that_is_away_stops_nobody(clock):
    ring = RedisRing(f"redis://127.0.0.1:{free_port()}/0", "w1", clock=clock)
    sampler_of(ring, clock).round()
    with pytest.raises(BrokerUnavailable):
        ring.read(0)


def test_what_others_wrote_there_is_passed_over(redis_server, clock):
    ring = RedisRing(redis_server.url, "w1", clock=clock)
    ring.write(pulse(clock.now), [sample(clock.now)])
    [key] = redis_server.client().keys("*statistics:w1")
    for value in (b"\xff", b"{}", b"[1]", b"x" * 20_000):
        redis_server.client().hset(key, str(int(clock.now) // BUCKET % (HOUR // BUCKET)), value)
        assert ring.read(0).samples == ()
    assert redis_server.client().ttl(key) > HOUR - 60


def test_a_moment_is_shown_once_all_live_workers_have_told_of_it(redis_server, clock):
    rings = {name: RedisRing(redis_server.url, name, clock=clock) for name in ("w1", "w2", "watcher")}
    records = [WorkerRecord(name, slot, 10, "a", clock.now, 3, 9) for slot, name in enumerate(("w1", "w2"))]
    began, statistics = clock.now, ClusterStatistics(rings["watcher"], clock)

    def write(name: str, at: float, connections: int) -> None:
        told = Sample(int(at), clock.now - at, clock.now, f"a/{name}", connections, 0, 0, Tally(events=6))
        rings[name].write(pulse(clock.now, name), [told])

    def shown() -> list[tuple[int, int]]:
        return [(moment.at - int(began), moment.connections) for moment in statistics.overview(records).hour]

    clock.now = began + 9
    write("w1", began, 5), write("w2", began, 7)
    clock.now = began + 11.5
    write("w1", began + 10, 5)
    assert shown() == [(0, 12)]
    assert statistics.overview(records).total.events == 18
    clock.now = began + 14  # the other one is late, and waiting would hide what is known
    assert shown() == [(0, 12), (10, 5)]
    clock.now = began + 12
    write("w2", began + 10, 7)
    assert shown() == [(0, 12), (10, 12)]
