"""The head of a request: what it says, and every way of being ambiguous that is refused."""

import pytest

from mechamap.engine.request_head import MAX_FIELDS, MAX_HEAD, MAX_LINE, HeadError, end_of_head, parse_head


def head(*fields: str, line: str = "POST /a?b=c HTTP/1.1") -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


def refused(raw: bytes) -> str:
    with pytest.raises(HeadError) as caught:
        parse_head(raw)
    return caught.value.status.split()[0]


# --- what it says ---


def test_a_head_says_method_target_version_and_fields_under_their_cgi_names():
    raw = head("Host: x", "X-API-Key:  k\t", "Content-Type: text/plain", "content-length: 12", "X-Empty:")
    found = parse_head(raw)
    assert (found.method, found.target, found.version) == ("POST", "/a?b=c", "HTTP/1.1")
    assert found.variables == {
        "HTTP_HOST": "x",
        "HTTP_X_API_KEY": "k",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "12",
        "HTTP_X_EMPTY": "",
    }
    assert (found.length, found.chunked, found.raw) == (12, False, raw)


def test_the_fields_are_there_as_they_were_sent():
    assert parse_head(head("Host: x", "a_b: 1", "A: 2:3")).fields() == [
        ("Host", "x"),
        ("a_b", "1"),
        ("A", "2:3"),
    ]


def test_repeated_fields_are_joined_as_pywsgi_does():
    found = parse_head(
        head("Accept: a", "Accept: b", "Cookie: c=1", "Cookie: d=2", "Content-Type: e", "Content-Type: f")
    )
    assert found.variables == {"HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "c=1; d=2", "CONTENT_TYPE": "e"}


def test_a_name_with_an_underscore_cannot_pass_for_another():
    found = parse_head(head("X_Forwarded_For: 1.2.3.4", "Content_Length: 5", "Transfer_Encoding: chunked"))
    assert (found.variables, found.length, found.chunked) == ({}, None, False)


def test_bytes_beyond_ascii_are_latin_1_and_stay_what_they_are():
    found = parse_head(head("X-Name: \xa0caf\xe9\x85", line="GET /caf\xe9 HTTP/1.1"))
    assert (found.target, found.variables["HTTP_X_NAME"]) == ("/caf\xe9", "\xa0caf\xe9\x85")


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        ("HTTP/1.1", None, True),
        ("HTTP/1.1", "close", False),
        ("HTTP/1.1", "TE, Close", False),
        ("HTTP/1.1", "Upgrade", True),
        ("HTTP/1.0", None, False),
        ("HTTP/1.0", "Keep-Alive", True),
        ("HTTP/1.0", "keep-alive, close", False),
    ],
)
def test_whether_another_request_may_follow(version, connection, keeps):
    fields = [f"Connection: {connection}"] if connection else []
    assert parse_head(head(*fields, line=f"GET / {version}")).keeps_alive is keeps


# --- where it ends ---


def test_the_end_is_found_however_the_bytes_arrive():
    raw = head("Host: x", "Accept: y")
    for cut in range(len(raw)):
        assert end_of_head(raw[:cut]) == 0
        assert end_of_head(raw, cut) == len(raw)
    assert end_of_head(raw + b"body\r\n\r\n") == len(raw)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: x", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\n", "400"),
        (b"\n", "400"),
        (b"\r\nGET", "400"),
        (b"\x16\x03\x01\x02", "400"),
        (b"GET /" + b"x" * MAX_LINE, "414"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD, "431"),
    ],
)
def test_what_can_never_become_a_head_is_refused_at_once(data, status):
    with pytest.raises(HeadError) as caught:
        end_of_head(data)
    assert caught.value.status.startswith(status)


def test_a_bare_line_feed_is_seen_across_two_reads():
    data = b"GET / HTTP/1.1\r\nHost: x\r"
    assert end_of_head(data) == 0
    assert end_of_head(data + b"\nA", len(data)) == 0
    with pytest.raises(HeadError):
        end_of_head(data + b"\nA\n", len(data) + 2)


# --- limits ---


def test_the_largest_heads_are_taken_and_the_next_larger_are_not():
    line = "GET /" + "x" * (MAX_LINE - len("GET / HTTP/1.1")) + " HTTP/1.1"
    assert end_of_head(head(line=line)[:-2]) == 0
    assert parse_head(head(line=line)).target.startswith("/xxx")
    assert refused(head(line=line.replace("x", "xx", 1))) == "414"
    fields = [f"X-{n}: y" for n in range(MAX_FIELDS)]
    assert len(parse_head(head(*fields)).variables) == MAX_FIELDS
    assert refused(head(*fields, "X-More: y")) == "431"


# --- what is refused ---


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET /a b HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET / HTTP/1.1\x00",
    ],
)
def test_request_lines_that_are_none(line):
    assert refused(head(line=line)) == "400"


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 3", "Content-Length: 3"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Transfer-Encoding: \xa0chunked"],
        ["Transfer-Encoding:"],
        ["Content-Length: +3"],
        ["Content-Length: -3"],
        ["Content-Length: 3_0"],
        ["Content-Length: 0x3"],
        ["Content-Length: 3, 3"],
        ["Content-Length: \xb3"],
        ["Content-Length:"],
        ["Content-Length: " + "1" * 20],
        ["Content-Length : 3"],
        [" Content-Length: 3"],
        ["Host: x", " folded"],
        ["Host: x", "\tfolded"],
        ["Host: x", "Host: x"],
        ["Host"],
        [": x"],
        ["H(st: x"],
        ["Host: x\rContent-Length: 3"],
        ["Host: x\nContent-Length: 3"],
        ["Host: x\x00"],
        ["Host: x\x7f"],
    ],
)
def test_fields_that_two_readers_could_read_differently(fields):
    assert refused(head(*fields)) == "400"


def test_framing_that_its_version_or_method_does_not_have():
    assert refused(head("Transfer-Encoding: chunked", line="POST / HTTP/1.0")) == "400"
    assert refused(head("Content-Length: 3", line="HEAD / HTTP/1.1")) == "400"
    assert parse_head(head("Content-Length: 0", line="HEAD / HTTP/1.1")).length == 0
    assert parse_head(head("Transfer-Encoding: Chunked")).chunked
