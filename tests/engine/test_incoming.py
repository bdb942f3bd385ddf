"""The bytes of a connection: taken in the pieces that are asked for, waited for no longer than allowed."""

import math
import time

import gevent
import pytest
from gevent import socket

from mechamap.engine.incoming import Incoming
from mechamap.engine.request_head import end_of_head


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Incoming(ours), theirs


def test_bytes_come_in_the_pieces_that_are_asked_for(pair):
    incoming, peer = pair
    peer.sendall(b"one two\nthree" + b"x" * 20_000)
    assert incoming.read(3) == b"one"
    assert incoming.readline(100) == b" two\n"
    assert incoming.read1(5) == b"three"
    assert incoming.read(20_000) == b"x" * 20_000
    peer.shutdown(socket.SHUT_WR)
    assert (incoming.read(5), incoming.read1(5), incoming.readline(5)) == (b"", b"", b"")


def test_a_line_may_come_in_parts_and_has_a_limit(pair):
    incoming, peer = pair
    peer.sendall(b"abc")
    reader = gevent.spawn(incoming.readline, 100)
    gevent.sleep(0.01)
    peer.sendall(b"def\nrest")
    assert reader.get(timeout=2) == b"abcdef\n"
    assert incoming.readline(2) == b"re"
    assert incoming.ahead() == b"st"


def test_what_follows_a_head_stays(pair):
    incoming, peer = pair
    peer.sendall(b"GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n")
    assert incoming.through(end_of_head) == b"GET / HTTP/1.1\r\n\r\n"
    assert incoming.ahead() == b"GET /b HTTP/1.1\r\n"
    assert incoming.await_more()
    gevent.spawn_later(0.01, peer.sendall, b"\r\n")
    assert incoming.through(end_of_head) == b"GET /b HTTP/1.1\r\n\r\n"


def test_an_end_in_the_middle_of_a_head_is_told(pair):
    incoming, peer = pair
    peer.sendall(b"GET / HTTP/1.1\r\n")
    peer.shutdown(socket.SHUT_WR)
    assert incoming.await_more()
    with pytest.raises(EOFError):
        incoming.through(end_of_head)


def test_an_end_before_the_next_request_is_silent(pair):
    incoming, peer = pair
    peer.close()
    assert incoming.await_more() is False


def test_what_came_with_the_connection_is_first():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        incoming = Incoming(ours, b"before ")
        theirs.sendall(b"after")
        assert incoming.await_more()
        assert incoming.read(12) == b"before after"


def test_dripping_uses_up_the_patience(pair):
    incoming, peer = pair
    incoming.patience = 0.2

    def drip():
        for _ in range(100):
            peer.sendall(b"x")
            gevent.sleep(0.02)

    dripping = gevent.spawn(drip)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        incoming.read(1_000)
    assert time.monotonic() - began < 1.0
    with pytest.raises(TimeoutError):
        incoming.read(1_000)
    dripping.kill()


def test_only_waiting_uses_up_the_patience(pair):
    incoming, peer = pair
    incoming.patience = 0.2
    peer.sendall(b"a")
    assert incoming.read(1) == b"a"
    gevent.sleep(0.3)
    peer.sendall(b"b")
    assert incoming.read(1) == b"b"


def test_without_a_limit_there_is_no_timer(pair):
    incoming, peer = pair
    assert incoming.patience == math.inf
    gevent.spawn_later(0.05, peer.sendall, b"late")
    assert incoming.read(4) == b"late"


def test_the_others_have_their_turn_before_bytes_that_are_there_already(pair):
    incoming, peer = pair
    order = []
    peer.sendall(b"abc")
    assert incoming.read(1) == b"a"  # the rest has been read with it
    gevent.spawn(order.append, "another")
    assert incoming.await_more()
    order.append("buffered")
    assert incoming.read(2) == b"bc"
    peer.sendall(b"d")
    gevent.spawn(order.append, "another")
    assert incoming.await_more()
    order.append("in the socket")
    assert order == ["another", "buffered", "another", "in the socket"]
