"""RFC 6455 on the wire, in the categories of the Autobahn test suite: 1 framing, 2 pings, 3 reserved bits,
4 opcodes, 5 fragmentation, 6 UTF-8, 7 close, 9 limits.

Every case is one conversation: what the client sends, and then either the messages that come back before an
orderly close, or the code with which the server fails the connection. Text is an Engine.IO message, so it
begins with `4`.
"""

import json
import os
import struct
import time

import pytest

from .conftest import HERE
from .wire import BINARY, CLOSE, PING, PONG, TEXT, Client, frame, head

PATH = "/engine.io/?EIO=4&transport=websocket"
LIMIT = 100_000
CONTINUATION = 0
SIZES = (0, 1, 124, 125, 126, 127, 128, 4_096, 65_534, 65_535, 65_536, 65_537)


@pytest.fixture(scope="module")
def suite(serve_module):
    return serve_module(
        {"ENGINE": json.dumps({"max_http_buffer_size": LIMIT})},
        app="tests.engine.suite_application:engine",
        config=HERE / "gunicorn_settings.py",
    )


def closing(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def _send(client: Client, data: bytes, step: int) -> None:
    try:
        for start in range(0, len(data), step or len(data) or 1):
            client.send_raw(data[start : start + (step or len(data))])
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server had heard enough


def said(suite, data: bytes, *, step: int = 0) -> list[tuple[int, bytes]]:
    """Send `data`, `step` bytes at a time, and read to the end."""
    with Client(suite.port, PATH) as client:
        _send(client, data, step)
        return list(iter(client.frame, None))


def conversation(suite, data: bytes, *, count: int = 1, step: int = 0) -> list[tuple[int, bytes]]:
    """The `count` frames that answer `data`. Then the client closes: nothing more may come but the echo."""
    with Client(suite.port, PATH) as client:
        _send(client, data, step)
        frames = [client.frame() for _ in range(count)]
        client.send_raw(closing())
        assert list(iter(client.frame, None)) == [(CLOSE, b"\x03\xe8")]
        return frames


def failed(suite, data: bytes, *, step: int = 0) -> int | None:
    """The code of the server's close frame; nothing may follow it and the connection must end."""
    frames = said(suite, data, step=step)
    assert [opcode for opcode, _ in frames].index(CLOSE) == len(frames) - 1
    return int.from_bytes(frames[-1][1][:2], "big")


# --- 1: framing ---


@pytest.mark.parametrize("size", SIZES)
def test_text_of_every_length_encoding_comes_back(suite, size):
    payload = b"4" + b"*" * size
    assert conversation(suite, frame(TEXT, payload)) == [(TEXT, payload)]


@pytest.mark.parametrize("size", SIZES)
def test_binary_of_every_length_encoding_comes_back(suite, size):
    payload = os.urandom(size)
    assert conversation(suite, frame(BINARY, payload)) == [(BINARY, payload)]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 997])
def test_the_pieces_in_which_bytes_arrive_do_not_matter(suite, step):
    data = frame(TEXT, "4 žluťoučký 😀".encode()) + frame(BINARY, b"\xfe" * 300) + frame(PING, b"p" * 125)
    data += frame(TEXT, b"4a", fin=False) + frame(CONTINUATION, b"b")
    wanted = [(TEXT, "4 žluťoučký 😀".encode()), (BINARY, b"\xfe" * 300), (PONG, b"p" * 125), (TEXT, b"4ab")]
    # a pong is the transport's answer and may overtake what the application echoes
    assert sorted(conversation(suite, data, count=4, step=step)) == sorted(wanted)


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\xfe\x00\x7d" + b"\0" * 4 + b"4" * 125,
        b"\x81\xff" + (125).to_bytes(8, "big") + b"\0" * 4 + b"4" * 125,
        b"\x82\xff" + (65_535).to_bytes(8, "big") + b"\0" * 4,
    ],
)
def test_a_length_that_is_not_encoded_minimally_fails(suite, data):
    assert failed(suite, data) == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_an_unmasked_frame_fails(suite, opcode):
    assert failed(suite, frame(opcode, b"\x03\xe8", masked=False)) == 1002


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\0\0\0", b"\0\0\0\x80"])
def test_any_masking_key_is_undone(suite, key):
    payload = b"4masked" * 3
    masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    assert conversation(suite, head(TEXT, len(payload)) + key + masked) == [(TEXT, payload)]


# --- 2: pings and pongs ---


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd\xfc\xfb", b"\xfe" * 125])
def test_a_ping_is_answered_with_its_payload(suite, payload):
    assert conversation(suite, frame(PING, payload)) == [(PONG, payload)]


@pytest.mark.parametrize("step", [0, 1])
def test_ten_pings_are_answered_in_order(suite, step):
    pings = b"".join(frame(PING, b"payload-%d" % n) for n in range(10))
    assert conversation(suite, pings, count=10, step=step) == [(PONG, b"payload-%d" % n) for n in range(10)]


@pytest.mark.parametrize("payload", [b"", b"unsolicited", b"\xff" * 125])
def test_a_pong_nobody_asked_for_is_ignored(suite, payload):
    data = frame(PONG, payload) + frame(PING, b"after")
    assert conversation(suite, data) == [(PONG, b"after")]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("size", [126, 65_536])
def test_a_control_frame_over_125_bytes_fails_before_its_payload_came(suite, opcode, size):
    assert failed(suite, head(opcode, size) + b"kkkk") == 1002


# --- 3: reserved bits ---


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_reserved_bits_fail(suite, bits, opcode):
    assert failed(suite, frame(opcode, b"\x03\xe8", reserved=bits)) == 1002


def test_reserved_bits_fail_after_what_came_before_was_handled(suite):
    frames = said(suite, frame(PING, b"good") + frame(PING, b"bad", reserved=0x40) + frame(PING, b"late"))
    assert (PONG, b"good") in frames
    assert (PONG, b"bad") not in frames
    assert (PONG, b"late") not in frames


# --- 4: opcodes ---


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
def test_an_unknown_opcode_fails(suite, opcode, payload):
    assert failed(suite, frame(opcode, payload) + frame(PING)) == 1002


# --- 5: fragmentation ---


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_in_fragments_fails(suite, opcode):
    data = frame(opcode, b"\x03\xe8", fin=False) + frame(CONTINUATION, b"fragment2")
    assert failed(suite, data) == 1002


@pytest.mark.parametrize("step", [0, 1])
def test_control_frames_between_fragments_are_handled_at_once(suite, step):
    data = frame(TEXT, b"4frag", fin=False) + frame(PING, b"1") + frame(CONTINUATION, b"ment", fin=False)
    data += frame(PONG, b"x") + frame(PING, b"2") + frame(CONTINUATION, b"s")
    wanted = [(PONG, b"1"), (PONG, b"2"), (TEXT, b"4fragments")]
    assert conversation(suite, data, count=3, step=step) == wanted


def test_a_close_between_fragments_ends_it_without_the_message(suite):
    assert conversation(suite, frame(TEXT, b"4frag", fin=False), count=0) == []


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_empty_fragments_are_fragments(suite, opcode):
    empty = frame(opcode, b"", fin=False) + frame(CONTINUATION, b"", fin=False)
    assert conversation(suite, empty + frame(CONTINUATION, b"4x")) == [(opcode, b"4x")]
    full = frame(opcode, b"4x", fin=False) + frame(CONTINUATION, b"", fin=False) + frame(CONTINUATION, b"")
    assert conversation(suite, full) == [(opcode, b"4x")]


@pytest.mark.parametrize(
    "data",
    [
        frame(CONTINUATION, b"nothing to continue"),
        frame(CONTINUATION, b"nothing to continue", fin=False),
        frame(TEXT, b"4whole") + frame(CONTINUATION, b"again"),
        frame(TEXT, b"4a", fin=False) + frame(CONTINUATION, b"b") + frame(CONTINUATION, b"c"),
        frame(TEXT, b"4a", fin=False) + frame(TEXT, b"4b"),
        frame(TEXT, b"4a", fin=False) + frame(BINARY, b"b"),
        frame(BINARY, b"a", fin=False) + frame(TEXT, b"4b", fin=False),
        frame(TEXT, b"4a", fin=False) + frame(PING) + frame(TEXT, b"4b"),
    ],
)
def test_fragments_out_of_order_fail(suite, data):
    assert failed(suite, data) == 1002


def test_a_message_of_many_fragments_is_whole(suite):
    text = b"4" + b"abcdefghij" * 1_000
    pieces = [text[n : n + 1] for n in range(len(text))]
    data = frame(TEXT, pieces[0], fin=False)
    data += b"".join(frame(CONTINUATION, piece, fin=False) for piece in pieces[1:]) + frame(CONTINUATION)
    assert conversation(suite, data) == [(TEXT, text)]


# --- 6: UTF-8 ---

VALID = [
    "κόσμε", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
    "\U00010000", "\U0001fffe", "\U0010fffe", "\U0010ffff", "a\u0300",
]  # fmt: skip
INVALID = [
    b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe",
    b"\xff", b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xc3(", b"\xe2(\xa1", b"\xe2\x82(", b"\xf0(\x8c\xbc",
    b"\xf0\x90(\xbc", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0",
]  # fmt: skip
CUT = [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2", b"\xf0"]


@pytest.mark.parametrize("text", VALID)
def test_valid_text_comes_back_however_it_is_cut(suite, text):
    payload = b"4" + text.encode("utf-8", "surrogatepass")
    fragments = [payload[n : n + 1] for n in range(len(payload))]
    data = frame(TEXT, fragments[0], fin=False)
    data += b"".join(frame(CONTINUATION, piece, fin=False) for piece in fragments[1:]) + frame(CONTINUATION)
    assert conversation(suite, frame(TEXT, payload) + data, count=2) == [(TEXT, payload)] * 2


@pytest.mark.parametrize("bad", INVALID + CUT)
def test_invalid_text_fails(suite, bad):
    assert failed(suite, frame(TEXT, b"4" + bad)) == 1007


@pytest.mark.parametrize("bad", CUT)
def test_text_cut_inside_a_character_fails_at_its_end(suite, bad):
    assert failed(suite, frame(TEXT, b"4" + bad, fin=False) + frame(CONTINUATION, b"")) == 1007


@pytest.mark.parametrize("bad", INVALID)
def test_invalid_text_fails_at_the_fragment_that_brings_it(suite, bad):
    """The message never ends: nothing but the bad fragment itself can be the cause."""
    data = frame(TEXT, b"4good ", fin=False) + frame(CONTINUATION, bad + b"(", fin=False)
    assert failed(suite, data) == 1007


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("bad", INVALID)
def test_invalid_text_fails_while_its_frame_is_still_on_its_way(suite, bad, fin):
    data = head(TEXT, 60_000, fin=fin) + b"\0\0\0\0" + b"4good " + bad + b"("
    assert failed(suite, data) == 1007


def test_a_character_cut_by_a_fragment_is_judged_when_its_rest_comes(suite):
    data = (
        frame(TEXT, b"4\xf0\x9f", fin=False) + frame(PING, b"between") + frame(CONTINUATION, b"(", fin=False)
    )
    frames = said(suite, data)
    assert [frames[0], frames[-1][1][:2]] == [(PONG, b"between"), struct.pack("!H", 1007)]


@pytest.mark.parametrize("bad", INVALID)
def test_binary_is_not_judged(suite, bad):
    assert conversation(suite, frame(BINARY, bad)) == [(BINARY, bad)]


# --- 7: close ---


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
@pytest.mark.parametrize("reason", [b"", b"r" * 123])
def test_a_valid_close_is_echoed(suite, code, reason):
    frames = said(suite, closing(code, reason))
    assert [(opcode, payload[:2]) for opcode, payload in frames] == [(CLOSE, struct.pack("!H", code))]


def test_a_close_without_a_code_is_answered(suite):
    [(opcode, payload)] = said(suite, closing(None))
    assert opcode == CLOSE
    assert payload in (b"", b"\x03\xe8")


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_an_invalid_close_code_fails(suite, code):
    assert failed(suite, closing(code)) == 1002


def test_a_close_of_one_byte_fails(suite):
    assert failed(suite, frame(CLOSE, b"\x03")) == 1002


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xc3"]
)
def test_a_close_reason_that_is_no_text_fails(suite, bad):
    assert failed(suite, closing(1000, bad)) == 1007


def test_what_follows_a_close_is_not_handled(suite):
    data = closing() + frame(TEXT, b"4late") + frame(PING, b"late") + closing(1001)
    assert said(suite, data) == [(CLOSE, b"\x03\xe8")]


def test_a_request_behind_a_close_is_not_answered(suite):
    """A socket that went back to the HTTP parser would let a client confuse the proxy's next answers."""
    data = closing() + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    assert said(suite, data) == [(CLOSE, b"\x03\xe8")]


def test_the_connection_ends_soon_after_the_close_though_the_client_keeps_it(suite):
    with Client(suite.port, PATH) as client:
        client.send_raw(closing())
        began = time.monotonic()
        assert client.close_code() == 1000  # and then the end of the stream
        assert time.monotonic() - began < 3


# --- 9: limits ---


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_exactly_the_limit_passes(suite, opcode):
    payload = b"4" * LIMIT
    assert conversation(suite, frame(opcode, payload)) == [(opcode, payload)]


@pytest.mark.parametrize("length", [LIMIT + 1, 200_000_000, 1 << 32, 1 << 62])
def test_a_declared_length_over_the_limit_fails_before_a_byte_of_it(suite, length):
    assert failed(suite, head(BINARY, length) + b"kkkk") == 1009


def test_a_declared_length_with_the_top_bit_is_no_length(suite):
    assert failed(suite, b"\x82\xff" + (1 << 63).to_bytes(8, "big") + b"kkkk") == 1002


@pytest.mark.parametrize("size", [64, 256, 1_024, 4_096])
def test_fragments_are_limited_together(suite, size):
    count = LIMIT // size
    rest = LIMIT - count * size
    data = frame(BINARY, b"", fin=False) + frame(CONTINUATION, b"x" * size, fin=False) * count
    whole = frame(CONTINUATION, b"x" * rest)
    assert conversation(suite, data + whole) == [(BINARY, b"x" * LIMIT)]
    assert failed(suite, data + head(CONTINUATION, rest + 1) + b"kkkk") == 1009
