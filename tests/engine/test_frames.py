"""RFC 6455, on bytes alone."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.engine import frames
from mechamap.engine.frames import FrameError, FrameParser, Message, Opcode

from .wire import frame, head


def parse(data: bytes, limit: int = 1000) -> list[Message]:
    parser = FrameParser(limit)
    parser.feed(data)
    return list(iter(parser.next, None))


def refused(data: bytes, limit: int = 1000) -> FrameError:
    with pytest.raises(FrameError) as caught:
        parse(data, limit)
    return caught.value


def test_a_masked_text_frame_becomes_a_message():
    assert parse(frame(1, "héllo".encode())) == [Message(Opcode.TEXT, "héllo")]


def test_a_message_over_the_limit_is_refused_before_its_payload_came():
    error = refused(head(2, 1001))
    assert error.code == 1009
    assert "1000" in error.reason


def test_a_declared_exabyte_costs_nothing():
    assert refused(head(2, 1 << 60)).code == 1009


def test_fragments_are_limited_together():
    data = frame(2, b"x" * 600, fin=False) + head(0, 401)
    assert refused(data).code == 1009


def test_fragments_are_joined():
    data = frame(1, "hé".encode()[:2], fin=False) + frame(0, "hé".encode()[2:], fin=False) + frame(0, b"!")
    assert parse(data) == [Message(Opcode.TEXT, "hé!")]


def test_a_control_frame_may_stand_between_fragments():
    data = frame(1, b"a", fin=False) + frame(9, b"ping") + frame(0, b"b")
    assert parse(data) == [Message(Opcode.PING, b"ping"), Message(Opcode.TEXT, "ab")]


def test_endless_empty_fragments_take_no_memory():
    parser = FrameParser(1000)
    parser.feed(frame(1, b"a", fin=False))
    empty = frame(0, b"", fin=False)
    for _ in range(100):
        parser.feed(empty * 1000)
        assert parser.next() is None
    assert len(parser._buffer) == 0


@pytest.mark.parametrize(("opcode", "piece"), [(2, b"a"), (1, b"a"), (1, "€".encode())])
def test_a_message_of_tiny_fragments_takes_about_its_size(opcode, piece):
    limit, batch = 30_000, 500
    parser = FrameParser(limit)
    parser.feed(frame(opcode, b"", fin=False))
    fragments = frame(0, piece, fin=False) * batch
    tracemalloc.start()
    try:
        for _ in range(limit // len(piece) // batch):
            parser.feed(fragments)
            assert parser.next() is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * limit + 2 * len(fragments)
    parser.feed(frame(0, b""))
    whole = piece * (limit // len(piece))
    assert parser.next().payload == (whole if opcode == 2 else whole.decode())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame(1, b"x", masked=False), "masked"),
        (frame(1, b"x", reserved=0x40), "reserved"),
        (frame(3, b"x"), "unknown"),
        (frame(11, b"x"), "unknown"),
        (frame(9, b"x" * 126), "125"),
        (frame(9, b"x", fin=False), "fragmented"),
        (frame(0, b"x"), "out of order"),
        (frame(1, b"x", fin=False) + frame(1, b"y"), "out of order"),
        (b"\x81\xfe\x00\x05" + b"kkkk" + b"hello", "minimally"),
        (b"\x81\xff" + (65_535).to_bytes(8, "big"), "minimally"),
        (b"\x82\xff" + (1 << 63).to_bytes(8, "big"), "minimally"),
    ],
)
def test_a_broken_rule_is_a_protocol_error(data, why):
    error = refused(data)
    assert error.code == 1002
    assert why in error.reason


def test_text_that_is_not_utf8_is_refused():
    assert refused(frame(1, b"\xff")).code == 1007


def test_bad_text_is_refused_at_the_fragment_that_brings_it():
    assert refused(frame(1, b"ok\xed\xa0\x80", fin=False)).code == 1007


@pytest.mark.parametrize("cut", range(1, 8))
def test_bad_text_is_refused_before_its_frame_is_complete(cut):
    parser = FrameParser(1000)
    data = head(1, 900) + b"key!"
    payload = "4é€".encode() + b"\xed\xa0\x80"
    masked = bytes(byte ^ b"key!"[i % 4] for i, byte in enumerate(payload))
    parser.feed(data)
    for start in range(0, len(masked) - 2, cut):  # \xed\xa0 is wrong already
        parser.feed(masked[start : min(start + cut, len(masked) - 2)])
        assert parser.next() is None
    parser.feed(masked[-2:])
    with pytest.raises(FrameError) as caught:
        parser.next()
    assert caught.value.code == 1007


def test_text_cut_inside_a_character_is_refused_at_its_end():
    assert refused(frame(1, b"\xc3", fin=False) + frame(0, b"")).code == 1007


def test_a_long_close_reason_is_cut_between_characters():
    wire = frames.encode_close(1000, "é" * 100)
    assert wire[1] <= 125
    assert frames.decode_close(wire[2:]) == (1000, "é" * 61)


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xe7", b"\x03\xed", b"\x07\xd0", b"\x13\x88"])
def test_a_close_frame_with_a_forbidden_code_is_a_protocol_error(payload):
    with pytest.raises(FrameError) as caught:
        frames.decode_close(payload)
    assert caught.value.code == 1002


def test_a_close_frame_without_a_code_is_allowed():
    assert frames.decode_close(b"") == (1005, "")


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_server_frames_declare_their_length_minimally(length):
    wire = frames.encode(Opcode.BINARY, b"x" * length)
    declared = wire[1]
    size = 2 if declared < 126 else 4 if declared == 126 else 10
    assert len(wire) == size + length
    assert (declared if declared < 126 else int.from_bytes(wire[2:size], "big")) == length


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_equals_the_definition(payload, key):
    assert frames.mask(payload, key) == bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


@given(st.lists(st.text(max_size=50), max_size=5), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_messages_are_the_same_however_the_bytes_arrive(texts, cuts):
    data = b"".join(frame(1, text.encode()) for text in texts)
    parser, found, at = FrameParser(1000), [], 0
    while at < len(data):
        step = cuts[at % len(cuts)]
        parser.feed(data[at : at + step])
        found += [message.payload for message in iter(parser.next, None)]
        at += step
    assert found == texts


@given(st.binary(max_size=200))
def test_random_bytes_end_in_messages_or_a_frame_error(data):
    try:
        for message in parse(data):
            assert isinstance(message, Message)
    except FrameError as err:
        assert err.code in (1002, 1007, 1009)


fragments = st.builds(
    frame,
    st.sampled_from((0, 1, 2, 8, 9, 10, 3)),
    st.one_of(st.binary(max_size=20), st.text(max_size=8).map(str.encode)),
    fin=st.booleans(),
    masked=st.sampled_from((True, True, True, True, False)),
    reserved=st.sampled_from((0, 0, 0, 0, 0x40)),
)
streams = st.one_of(
    st.binary(max_size=120),
    st.lists(fragments, max_size=8).map(b"".join),
    st.builds(
        lambda parts, tail: b"".join(parts) + tail, st.lists(fragments, max_size=4), st.binary(max_size=20)
    ),
    st.builds(head, st.sampled_from((0, 1, 2, 9)), st.integers(0, 2**63), fin=st.booleans()),
)


def outcome(pieces: list[bytes]) -> tuple[list[Message], int | None]:
    """The messages, and the code of the error that ended it."""
    parser, found = FrameParser(60), []
    try:
        for piece in pieces:
            parser.feed(piece)
            found += iter(parser.next, None)
            assert len(parser._buffer) + len(parser._collected) <= 60 + 14 + len(piece)
            assert parser.missing <= 60 + 14
    except FrameError as err:
        return found, err.code
    return found, None


@given(streams, st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_any_bytes_mean_the_same_however_they_are_cut(data, sizes):
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    assert outcome(pieces) == outcome([data]) == outcome([data[n : n + 1] for n in range(len(data))])


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.data())
def test_fragments_with_control_frames_between_them_are_the_messages(texts, data):
    wire, wanted = b"", []
    for text in texts:
        payload = text.encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for number, part in enumerate(parts):
            if data.draw(st.booleans()):
                wire += frame(9, b"between")
                wanted.append(Message(Opcode.PING, b"between"))
            wire += frame(1 if number == 0 else 0, part, fin=number == len(parts) - 1)
        wanted.append(Message(Opcode.TEXT, text))
    assert parse(wire) == wanted
