"""Fixed windows: exact counts per name, memory that follows the names in use."""

from mechamap.edge import windows
from mechamap.edge.windows import LEAST_SWEPT, FixedWindows


def test_so_many_pass_in_a_window_and_the_next_window_begins_anew(clock):
    counted = FixedWindows(3, 1.0, clock)
    assert [counted.hit("a") for _ in range(5)] == [True, True, True, False, False]
    clock.now += 0.999
    assert not counted.hit("a")
    clock.now += 0.001
    assert counted.hit("a")


def test_each_name_has_its_own_window(clock):
    counted = FixedWindows(1, 1.0, clock)
    assert counted.hit("a")
    assert counted.hit("b")
    assert not counted.hit("a")


def test_a_cost_counts_as_so_many_events(clock):
    counted = FixedWindows(10, 1.0, clock)
    assert counted.hit("a", 10)
    assert not counted.hit("a")
    assert not counted.hit("b", 11)


def test_names_that_fell_silent_are_forgotten(clock):
    counted = FixedWindows(1, 1.0, clock)
    for n in range(50 * LEAST_SWEPT):
        counted.hit(f"name {n}")
        clock.now += 0.01
    assert len(counted) <= LEAST_SWEPT


def test_names_in_use_are_kept_while_others_are_forgotten(clock):
    counted = FixedWindows(1, 1.0, clock)
    counted.hit("kept")
    for n in range(3 * LEAST_SWEPT):
        counted.hit(f"name {n}")
    assert not counted.hit("kept")


def test_even_names_in_use_are_bounded(clock, monkeypatch):
    monkeypatch.setattr(windows, "MAX_NAMES", 2 * LEAST_SWEPT)
    counted = FixedWindows(1, 1.0, clock)
    for n in range(20 * LEAST_SWEPT):
        counted.hit(f"name {n}")
    assert len(counted) <= 4 * LEAST_SWEPT
