"""Redis's bytes on a connection that follows a pattern, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.ingest.push_reader import Oversized, ProtocolError, PushReader

PATTERN = b"app_*"
CONFIRMED = b"*3\r\n$10\r\npsubscribe\r\n$5\r\napp_*\r\n:1\r\n"
PONG = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"


def framed(channel: bytes, text: bytes) -> bytes:
    parts = (b"pmessage", PATTERN, channel, text)
    return b"*4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.fixture
def reader() -> PushReader:
    return PushReader(PATTERN, max_message=1000)


def test_messages_come_out_as_they_went_in(reader):
    assert reader.feed(framed(b"app_a", b"one") + framed(b"app_b", b"")) == [
        (b"app_a", b"one"),
        (b"app_b", b""),
    ]


def test_confirmation_and_signs_of_life_are_not_messages(reader):
    assert not reader.subscribed
    assert reader.feed(PONG) == []
    assert not reader.subscribed
    assert reader.feed(CONFIRMED + PONG + framed(b"app_a", b"x")) == [(b"app_a", b"x")]
    assert reader.subscribed


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=60) | st.just(b"x" * 1500)), max_size=6),
    st.integers(min_value=1, max_value=40),
)
def test_the_size_of_the_pieces_does_not_matter(messages, size):
    reader = PushReader(PATTERN, max_message=1000)
    stream = CONFIRMED + b"".join(framed(*message) + PONG for message in messages)
    found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
    expected = [(channel, text if len(text) <= 1000 else Oversized(len(text))) for channel, text in messages]
    assert found == expected
    assert reader.subscribed


def test_a_message_of_any_size_is_passed_over_without_being_kept(reader):
    head = framed(b"app_a", b"")[:-6]
    assert reader.feed(head + b"$50000000\r\n") == [(b"app_a", Oversized(50_000_000))]
    for _ in range(500):
        assert reader.feed(b"x" * 100_000) == []
        assert len(reader._rest) == 0
    assert reader.feed(b"\r\n" + framed(b"app_a", b"next")) == [(b"app_a", b"next")]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"-NOPERM this user has no permissions\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*4\r\n$8\r\npmessage\r\n$5\r\napp_*\r\n$600\r\n",
        b"*4\r\n$8\r\npmessage\r\n$5\r\napp_*\r\n$-1\r\n",
        b"*4\r\n$8\r\npmessage\r\n$5\r\napp_*\r\n$" + b"9" * 50,
        b"*4\r\n$8\r\npmessage\r\n$5\r\napp_*\r\n$1\r\nx\r\n:5\r\n",
        b"*400\r\n",
        b"*1\r\n+OK\r\n",
        b"*x\r\n",
    ],
)
def test_what_redis_would_not_say_ends_the_connection(reader, rubbish):
    with pytest.raises(ProtocolError):
        reader.feed(rubbish)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(data):
    reader = PushReader(PATTERN, max_message=1000)
    try:
        reader.feed(data)
    except ProtocolError:
        pass
