"""What waits for a connection, as values: runs that many connections share."""

from mechamap.engine.pending import GONE, Run, count_of, followed, size_of


def test_a_second_frame_makes_a_run_in_order():
    run = followed(b"one", b"two")
    assert (run.data, run.count, run.size) == (b"onetwo", 2, 6)


def test_a_run_does_not_change_when_somebody_goes_on_from_it():
    run = followed(b"one", b"two")
    longer = run.then(b"three")
    assert (run.data, longer.data) == (b"onetwo", b"onetwothree")


def test_two_that_go_on_differently_do_not_see_each_others_frames():
    shared = followed(b"a", b"b")
    left, right = shared.then(b"left"), shared.then(b"right")
    longer = left.then(b"!")
    assert (left.data, right.data, longer.data) == (b"ableft", b"abright", b"ableft!")
    assert (left.size, right.size) == (6, 7)


def test_bytes_are_joined_once_for_all_that_wait_for_the_same():
    run = Run([b"a", b"b", b"behind"], 2, 2)
    assert run.data == b"ab"
    assert run.data is run.data


def test_every_state_tells_its_size():
    assert [(size_of(p), count_of(p)) for p in (None, b"abc", followed(b"a", b"b"), GONE)] == [
        (0, 0), (3, 1), (2, 2), (0, 0)
    ]  # fmt: skip
