"""Any bytes are a request head, the beginning of one, or a HeadError; and however they are cut, the same."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from mechamap.engine.request_head import MAX_HEAD, HeadError, RequestHead, end_of_head, parse_head

NAMES = [
    "Host", "host", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "Cookie",
    "Content-Type", "X_Under", "X-Y", "Expect", "Upgrade", " Host", "Host ", "", "Ho st", "Hôte", "X\x00Y",
    "\tfolded",
]  # fmt: skip
VALUES = [
    "x", "", " ", "0", "5", "05", "+5", "-1", "5, 5", "0x5", "5 5", "9" * 19, "9" * 20, "chunked", "Chunked",
    "gzip, chunked", "chunked, chunked", "identity", "close", "keep-alive", "a\tb", "a\x0bb", "a\x00b", "é",
    "a\rb", "a\nb",
]  # fmt: skip
SPACES = ("", " ", "\t")
fields = st.builds("{}:{}{}".format, st.sampled_from(NAMES), st.sampled_from(SPACES), st.sampled_from(VALUES))
lines = st.one_of(fields, fields, st.text(st.characters(max_codepoint=255), max_size=12))
first = st.one_of(
    st.sampled_from(("GET / HTTP/1.1", "POST /a?b=c HTTP/1.1", "HEAD / HTTP/1.0", "GET http://x/ HTTP/1.1")),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(("GET", "get", "PRI", "", "G\x00T", "*", "\x16\x03\x01")),
        st.sampled_from((" ", "  ", "\t", "")),
        st.sampled_from(("/", "*", "", "/ x", "/é", "/\x00")),
        st.sampled_from((" ", "  ", "")),
        st.sampled_from(("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "")),
    ),
)
ends = st.sampled_from(("\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n"))
heads = st.builds(
    lambda top, rest, blank, tail: (
        (top + "".join(end + line for end, line in rest) + blank).encode("latin-1", "ignore") + tail
    ),
    first,
    st.lists(st.tuples(ends, lines), max_size=5),
    st.sampled_from(("\r\n\r\n", "\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", "")),
    st.sampled_from((b"", b"body\nof the request\r\n\r\n")),
)
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def read(pieces: list[bytes]) -> tuple[RequestHead, int] | str:
    """What a reader of `pieces` finds: a head and its length, 'more', or 'error'."""
    data, searched = b"", 0
    try:
        for piece in pieces:
            data += piece
            if end := end_of_head(data, searched):
                return parse_head(data[:end]), end
            searched = len(data)
    except HeadError as err:
        assert err.status.split()[0] in ("400", "414", "431", "501", "505")
        return "error"
    return "more"


@given(st.one_of(heads, st.binary(max_size=200)), st.lists(st.integers(1, 40), min_size=1, max_size=8))
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", [1])
def test_any_bytes_mean_the_same_however_they_are_cut(data, sizes):
    pieces, at = [], 0
    while at < len(data):
        pieces.append(data[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    assert read(pieces) == read([data]) == read([data[n : n + 1] for n in range(len(data))])


@given(heads)
def test_what_is_taken_for_a_head_leaves_no_two_opinions(data):
    found = read([data])
    if isinstance(found, str):
        return
    head, end = found
    text = data[:end].decode("latin-1")
    assert text.endswith("\r\n\r\n")
    assert text.count("\r") == text.count("\n") == text.count("\r\n"), "a bare CR or LF"
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
    top, *fields = text[:-4].split("\r\n")
    assert top == f"{head.method} {head.target} {head.version}"
    assert head.version in ("HTTP/1.1", "HTTP/1.0")
    names = [field.partition(":")[0] for field in fields]
    assert all(TOKEN.fullmatch(name) for name in names)
    lowered = [name.lower() for name in names]
    assert lowered.count("content-length") + lowered.count("transfer-encoding") <= 1
    assert head.chunked == ("transfer-encoding" in lowered)
    assert (head.length is not None) == ("content-length" in lowered)
    assert head.length is None or 0 <= head.length < 10**19
    assert not any("x_under" in name.lower() for name in head.variables)
    assert [name for name, _ in head.fields()] == names


@given(st.binary(min_size=1, max_size=50), st.integers(1, 4_096))
def test_a_reader_never_waits_for_more_than_the_limit(filler, size):
    data, searched = b"GET / HTTP/1.1\r\nX: ", 0
    filler = filler.replace(b"\r", b"y").replace(b"\n", b"z") * (size // len(filler) + 1)
    try:
        while len(data) < 2 * MAX_HEAD:
            assert end_of_head(data, searched) == 0
            searched = len(data)
            data += filler
    except HeadError:
        assert len(data) < MAX_HEAD + len(filler)
        return
    raise AssertionError("it would wait for ever")
