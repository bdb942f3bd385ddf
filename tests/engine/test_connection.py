"""Connections over real sockets, without a server: order, bounds, backlog, and how they end."""

import os
import socket
import struct
from collections.abc import Iterator

import gevent
import pytest

from mechamap.engine import frames
from mechamap.engine.clock import Clock
from mechamap.engine.connection import Connection
from mechamap.engine.connections import Connections
from mechamap.engine.flusher import Flusher
from mechamap.engine.frames import Opcode
from mechamap.engine.reasons import Limits, Reason
from mechamap.engine.receiver import PacketError

from .wire import BINARY, CLOSE, PING, TEXT, frame


class Heard:
    """A receiver that keeps what it hears, and behaves as told."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.endings: list[tuple[Reason, int]] = []
        self.overflows = 0
        self.full = False
        self.resume = None
        self.failure: Exception | None = None

    def when_room(self, callback) -> None:
        self.resume = callback

    def received(self, data: str | bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.messages.append(data)

    def ended(self, reason: Reason, code: int) -> None:
        self.endings.append((reason, code))

    def overflowed(self) -> None:
        self.overflows += 1


class Counted(Connection):
    """A connection that counts its system calls and knows the order of all of them."""

    __slots__ = ("calls", "log")

    def _send(self, data: bytes | memoryview) -> int:
        self.calls.append(len(data))
        self.log.append(self)
        return super()._send(data)


class Pairs:
    """Makes connections and keeps the other ends."""

    def __init__(self, limits: Limits) -> None:
        self.clock = Clock()
        self.flusher = Flusher(self.clock, limits)
        self.connections = Connections(1_000)
        self.log: list[Counted] = []
        self.peers: list[socket.socket] = []
        self.opened: list[Counted] = []

    def open(self, *, buffer: int = 4_096, receiver: Heard | None = None):
        ours, peer = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        ours.setblocking(False)
        peer.settimeout(3)
        connection = Counted(ours.detach(), self.flusher, self.connections, 100_000)
        connection.calls, connection.log = [], self.log
        connection.start(receiver or Heard(), b"")
        self.peers.append(peer)
        self.opened.append(connection)
        return connection, peer

    def close(self) -> None:
        for connection in self.opened:
            connection.abort()
        for peer in self.peers:
            peer.close()
        self.clock.stop()


LIMITS = Limits(ping_interval=0.2, ping_timeout=0.1, close_timeout=0.1, max_queue_bytes=300_000)


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs(LIMITS)
    yield made
    made.close()


@pytest.fixture
def patient() -> Iterator[Pairs]:
    """Whose deadlines are no part of the test."""
    made = Pairs(Limits(ping_interval=30, ping_timeout=30, close_timeout=30, max_queue_bytes=300_000))
    yield made
    made.close()


def numbered(number: int, size: int = 100) -> bytes:
    return frames.encode(Opcode.TEXT, f"{number:06d}".encode() + b"x" * size)


def read(peer: socket.socket, count: int) -> bytes:
    """Exactly so many bytes, letting the loop work in between."""
    data = b""
    peer.setblocking(False)
    with gevent.Timeout(5, TimeoutError(f"{len(data)} of {count} bytes")):
        while len(data) < count:
            try:
                part = peer.recv(min(65_536, count - len(data)))
            except BlockingIOError:
                gevent.sleep(0.001)
                continue
            if not part:
                raise EOFError(f"{len(data)} of {count} bytes, then the end")
            data += part
    return data


def settle() -> None:
    gevent.sleep(0.02)


# --- writing ---


def test_what_is_put_goes_out_in_order_with_one_call(pairs):
    connection, peer = pairs.open(buffer=65_536)
    wanted = b"".join(numbered(n) for n in range(20))
    for number in range(20):
        assert connection.put(numbered(number))
    assert connection.calls == []
    assert read(peer, len(wanted)) == wanted
    assert connection.calls == [len(wanted)]
    assert (connection.queued, connection.waiting) == (0, 0)


def test_nothing_is_written_around_the_rest_of_a_frame_the_kernel_took_half_of(pairs):
    connection, peer = pairs.open()
    wanted = b""
    for number in range(30):
        data = numbered(number, 5_000)
        assert connection.put(data)
        connection.flush()  # the direct write of a small room
        wanted += data
    assert 0 < connection.queued < len(wanted)
    assert read(peer, len(wanted)) == wanted
    settle()
    assert connection.queued == 0


def test_a_direct_write_takes_along_what_was_marked_before(pairs):
    connection, peer = pairs.open(buffer=65_536)
    connection.put(numbered(1))
    connection.put(numbered(2))
    connection.flush()
    assert read(peer, 2 * len(numbered(1))) == numbered(1) + numbered(2)
    settle()
    assert len(connection.calls) == 1, "the flusher finds nothing left to do"


def test_a_peer_that_does_not_read_costs_no_more_than_the_limit(pairs):
    connection, _ = pairs.open()
    taken = 0
    while connection.put(numbered(taken, 5_000)):
        connection.flush()
        taken += 1
        assert taken < 1_000
    assert 290_000 < connection.queued <= 300_000


def test_many_small_frames_are_bounded_by_their_number(pairs):
    connection, _ = pairs.open()
    connection.put(b"x" * 100_000)
    connection.flush()
    taken = 0
    while connection.put(b"y"):
        taken += 1
    assert taken == LIMITS.max_queue_packets


def test_a_burst_is_offered_to_the_kernel_before_anything_is_refused(pairs):
    connection, peer = pairs.open(buffer=200_000)
    data = numbered(0, 50_000)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
    assert connection.put(data)
    for _ in range(5):  # with the flusher never getting a turn, 350 KB would be more than may wait
        assert connection.put(data)
    assert connection.put(data)
    assert read(peer, 7 * len(data)) == 7 * data


def test_peers_that_do_not_take_what_they_are_offered_are_known_until_they_do(pairs):
    (slow, peer), (quick, _) = pairs.open(), pairs.open()
    wanted = b"".join(numbered(n, 5_000) for n in range(10))
    slow.put(wanted)
    quick.put(numbered(0))
    settle()
    assert pairs.flusher.stalled == {slow}
    assert 0 < slow.queued < len(wanted)
    assert read(peer, len(wanted)) == wanted
    settle()
    assert pairs.flusher.stalled == set()


@pytest.mark.parametrize("end", [Connection.abort, lambda c: c.finish(1000, discard=True)])
def test_a_stalled_peer_that_is_cut_off_is_forgotten(pairs, end):
    connection, _ = pairs.open()
    connection.put(numbered(0, 100_000))
    settle()
    assert pairs.flusher.stalled == {connection}
    end(connection)
    connection.abort()
    assert pairs.flusher.stalled == set()


def test_a_broadcast_is_told_to_be_written_when_the_last_of_its_recipients_was_written_to(pairs):
    opened = [pairs.open(buffer=65_536)[0] for _ in range(200)]
    told = []
    for number in range(3):
        for connection in opened:
            connection.put(numbered(number))
        pairs.flusher.when_written(lambda n: told.append((n, len(pairs.log))), number)
    assert told == []
    settle()
    assert told == [(0, 200), (1, 200), (2, 200)]
    pairs.flusher.when_written(told.append, "at once")
    assert told[-1] == "at once"


def test_what_is_to_be_told_of_very_many_broadcasts_is_bounded(pairs):
    connection, _ = pairs.open(buffer=65_536)
    connection.put(numbered(0))
    told = []
    for number in range(10_000):
        pairs.flusher.when_written(told.append, number)
    settle()
    assert told == list(range(256))
    connection.put(numbered(1))
    pairs.flusher.when_written(told.append, "again")
    settle()
    assert told[-1] == "again"


def test_a_number_used_again_by_the_system_gets_nothing_of_the_connection_before(pairs):
    connection, _ = pairs.open()
    number = connection.fd
    connection.put(numbered(1))
    connection.abort()
    ends = socket.socketpair()
    try:
        if number not in (end.fileno() for end in ends):
            os.dup2(ends[0].fileno(), number)
            ends += (socket.socket(fileno=number),)
        settle()  # the flusher finds the dead connection marked
        assert connection.fd == -1
        assert connection.put(numbered(2)) is False
        for end in ends:
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(1)
    finally:
        for end in ends:
            end.close()


def test_a_connection_that_dies_during_a_fan_out_does_not_stop_it(pairs):
    opened = [pairs.open() for _ in range(10)]
    for connection, _ in opened:
        connection.put(numbered(1))
    opened[3][1].close()
    for n, (_, peer) in enumerate(opened):
        if n != 3:
            assert read(peer, len(numbered(1))) == numbered(1)
    settle()
    assert opened[3][0].fd == -1


def test_a_long_fan_out_lets_others_in_between_within_a_slice(pairs):
    opened = [pairs.open()[0] for _ in range(300)]
    reading, writing = os.pipe()
    watcher = gevent.get_hub().loop.io(reading, 1)
    noticed: list[int] = []

    def notice() -> None:
        noticed.append(len(pairs.log))
        watcher.stop()

    try:
        for connection in opened:
            connection.put(numbered(1))
        watcher.start(notice)
        os.write(writing, b"x")
        settle()
    finally:
        watcher.stop()
        watcher.close()
        os.close(reading)
        os.close(writing)
    assert len(pairs.log) == 300
    assert noticed[0] <= 128, "a request that is there already waited for the whole fan-out"


def test_what_is_marked_while_the_flusher_is_on_its_way_goes_out_joined(pairs):
    opened = [pairs.open() for _ in range(200)]

    def publish() -> None:
        for number in range(5):
            for connection, _ in opened:
                connection.put(numbered(number))
            gevent.sleep(0)

    gevent.spawn(publish).join()
    wanted = b"".join(numbered(n) for n in range(5))
    for _, peer in opened:
        assert read(peer, len(wanted)) == wanted
    assert len(pairs.log) < 5 * len(opened)


def test_a_peer_that_takes_nothing_is_cut_at_the_deadline(pairs):
    heard = Heard()
    connection, _ = pairs.open(receiver=heard)
    connection.put(b"x" * 200_000)
    connection.flush()
    gevent.sleep(0.3)
    assert heard.endings == []
    gevent.sleep(0.3)
    assert heard.endings == [(Reason.TRANSPORT_ERROR, 1000)]
    assert (connection.fd, connection.queued, len(pairs.connections)) == (-1, 0, 0)


def test_a_peer_that_reads_slowly_is_not_cut(pairs):
    heard = Heard()
    connection, peer = pairs.open(receiver=heard)
    connection.put(b"x" * 200_000)
    connection.flush()
    for _ in range(8):  # twice the deadline
        read(peer, 8_000)
        gevent.sleep(0.1)
    assert heard.endings == []
    read(peer, 200_000 - 8 * 8_000)


# --- reading ---


def test_messages_are_handed_over_whole_and_in_order(pairs):
    heard = Heard()
    _, peer = pairs.open(receiver=heard)
    data = frame(TEXT, b"one") + frame(BINARY, b"two") + frame(TEXT, b"three" * 5_000)
    for start in range(0, len(data), 1_000):
        peer.sendall(data[start : start + 1_000])
        gevent.sleep(0)
    settle()
    assert heard.messages == ["one", b"two", "three" * 5_000]


def test_a_receiver_that_is_full_is_not_read_for_until_it_has_room(pairs):
    heard = Heard()
    _, peer = pairs.open(receiver=heard)
    heard.full = True
    peer.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 10_000_000:
            sent += peer.send(frame(TEXT, b"x" * 1_000))
            gevent.sleep(0)
    assert heard.messages == []
    heard.full = False
    heard.resume()
    settle()
    assert len(heard.messages) == sent // len(frame(TEXT, b"x" * 1_000))


def test_pongs_that_nobody_reads_overflow_instead_of_piling_up(pairs):
    heard = Heard()
    connection, peer = pairs.open(receiver=heard)
    connection.put(b"x" * 299_000)
    connection.flush()
    for _ in range(3_000):
        peer.sendall(frame(PING, b"p" * 100))
        gevent.sleep(0)
        if heard.overflows:
            break
    assert heard.overflows
    assert connection.queued <= 300_000


@pytest.mark.parametrize(
    ("data", "code"), [(frame(TEXT, b"x", masked=False), 1002), (frame(TEXT, b"\xff"), 1007)]
)
def test_a_broken_rule_ends_it_with_its_code_and_nothing_more_is_heard(pairs, data, code):
    heard = Heard()
    _, peer = pairs.open(receiver=heard)
    peer.sendall(data + frame(TEXT, b"later"))
    settle()
    peer.sendall(frame(TEXT, b"much later"))
    settle()
    assert heard.endings == [(Reason.PARSE_ERROR, code)]
    assert heard.messages == []


def test_a_packet_the_receiver_refuses_ends_it(pairs):
    heard = Heard()
    heard.failure = PacketError("no")
    _, peer = pairs.open(receiver=heard)
    peer.sendall(frame(TEXT, b"x"))
    settle()
    assert heard.endings == [(Reason.PARSE_ERROR, 1008)]


def test_a_bug_behind_a_callback_costs_its_connection_and_not_the_loop(pairs, caplog):
    broken, healthy = Heard(), Heard()
    broken.failure = RuntimeError("a bug")
    connection, peer = pairs.open(receiver=broken)
    _, other = pairs.open(receiver=healthy)
    peer.sendall(frame(TEXT, b"x"))
    other.sendall(frame(TEXT, b"y"))
    settle()
    assert (broken.endings, connection.fd) == ([(Reason.TRANSPORT_ERROR, 1000)], -1)
    assert healthy.messages == ["y"]
    assert "connection_failed" in caplog.text


# --- the end ---


def test_the_farewell_follows_what_waits_and_the_peer_gets_its_moment(patient):
    connection, peer = patient.open()
    connection.put(b"x" * 100_000)
    connection.flush()
    connection.finish(1001, discard=False)
    assert connection.put(b"late") is False
    assert read(peer, 100_000) == b"x" * 100_000
    assert read(peer, 4) == frames.encode_close(1001)
    settle()
    assert peer.recv(1) == b""
    assert connection.fd >= 0
    peer.sendall(frame(CLOSE, struct.pack("!H", 1001)))
    settle()
    assert (connection.fd, len(patient.connections)) == (-1, 0)


def test_a_farewell_instead_of_what_waits_still_finishes_the_frame_under_way(patient):
    connection, peer = patient.open()
    connection.put(b"x" * 50_000)
    connection.flush()
    connection.put(b"y" * 50_000)
    connection.finish(1008, discard=True)
    assert read(peer, 50_004) == b"x" * 50_000 + frames.encode_close(1008)


def test_a_peer_that_ignores_the_farewell_is_cut(pairs):
    connection, _ = pairs.open()
    connection.finish(1000, discard=False)
    gevent.sleep(0.2)
    assert (connection.fd, len(pairs.connections)) == (-1, 0)


def test_a_peers_close_is_answered_and_the_descriptor_freed_at_once(pairs):
    heard = Heard()
    connection, peer = pairs.open(receiver=heard)
    peer.sendall(frame(CLOSE, struct.pack("!H", 4000)))
    settle()
    assert heard.endings == [(Reason.TRANSPORT_CLOSE, 4000)]
    connection.finish(4000, discard=True)
    assert connection.fd == -1
    assert peer.recv(100) == frames.encode_close(4000)


def test_nothing_keeps_a_closed_connection_alive(pairs):
    import gc
    import weakref

    class Weak(Connection):
        __slots__ = ("__weakref__",)

    ours, peer = socket.socketpair()
    ours.setblocking(False)
    connection = Weak(ours.detach(), pairs.flusher, pairs.connections, 1_000)
    connection.start(Heard(), b"")
    gone = weakref.ref(connection)
    with peer:
        connection.put(b"x")
        settle()
        connection.finish(1000, discard=False)
        connection.abort()
        del connection
        gc.disable()  # by its reference count alone
        try:
            settle()
            assert gone() is None
        finally:
            gc.enable()


# --- many at once ---


class Recipient:
    """What the flusher needs of a member."""

    def __init__(self, connection) -> None:
        self.connection = connection


def test_a_broadcast_reaches_everyone_behind_what_each_one_waited_for(pairs):
    opened = [pairs.open() for _ in range(12)]
    members = [Recipient(connection) for connection, _ in opened]
    wanted = [b""] * len(opened)

    def put(index, data):
        assert opened[index][0].put(data)
        wanted[index] += data

    def spread(data):
        assert pairs.flusher.spread(members, data) == (len(members), [])
        for index in range(len(members)):
            wanted[index] += data

    put(3, numbered(1))
    spread(numbered(2))
    put(5, numbered(3))
    put(7, numbered(4))
    for number in range(5, 9):
        spread(numbered(number))
    put(0, numbered(9))
    spread(numbered(10))
    assert pairs.log == []
    for (_, peer), data in zip(opened, wanted, strict=True):
        assert read(peer, len(data)) == data
    assert len(pairs.log) == len(opened), "one call each"


def test_a_broadcast_names_those_it_could_not_queue_for(pairs):
    healthy, slow, closed = (pairs.open()[0] for _ in range(3))
    slow.put(b"x" * 290_000)
    slow.flush()
    closed.abort()
    polling = Recipient(None)
    members = [Recipient(healthy), Recipient(slow), Recipient(closed), polling]
    count, others = pairs.flusher.spread(members, numbered(1))
    assert (count, others) == (1, members[1:])


def test_a_broadcast_never_takes_a_connection_over_its_limit(pairs):
    connection, peer = pairs.open(buffer=200_000)
    members = [Recipient(connection)]
    data = numbered(0, 100_000)
    assert [pairs.flusher.spread(members, data)[0] for _ in range(3)] == [1, 1, 0]
    assert connection.put(data), "it is offered to the kernel first"
    assert read(peer, 3 * len(data)) == 3 * data


def test_a_direct_write_does_not_call_the_flusher(pairs):
    connection, peer = pairs.open()
    assert connection.send(numbered(1))
    assert (connection.marked, connection.calls) == (False, [len(numbered(1))])
    assert read(peer, len(numbered(1))) == numbered(1)


def test_a_member_that_is_gone_costs_a_broadcast_nothing_but_itself(pairs):
    opened = [pairs.open() for _ in range(9)]
    members = [Recipient(connection) for connection, _ in opened]
    pairs.flusher.spread(members, numbered(1))
    opened[4][0].abort()
    assert pairs.flusher.spread(members, numbered(2)) == (8, [members[4]])
    for n, (_, peer) in enumerate(opened):
        if n != 4:
            assert read(peer, 2 * len(numbered(1))) == numbered(1) + numbered(2)


def test_those_that_wait_for_the_same_share_it_in_whatever_order_they_come(pairs):
    opened = [pairs.open() for _ in range(12)]
    members = [Recipient(connection) for connection, _ in opened]
    pairs.flusher.spread(members[::2], numbered(0))
    for number in range(1, 6):
        pairs.flusher.spread(members, numbered(number))
    assert len({id(member.connection.pending) for member in members}) == 2
    for index, (_, peer) in enumerate(opened):
        wanted = b"".join(numbered(n) for n in range(index % 2, 6))
        assert read(peer, len(wanted)) == wanted
