"""The head of an answer: what an application gives, as it is sent."""

import pytest

from mechamap.engine.response import ResponseHead


def sent(response: ResponseHead) -> list[bytes]:
    lines = response.encode().split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    return lines[:-2]


def test_status_and_fields_are_sent_in_their_order_with_a_date():
    status, first, second, date = sent(ResponseHead("200 OK", [("B", "1"), ("A", "caf\xe9")]))
    assert (status, first, second) == (b"HTTP/1.1 200 OK", b"B: 1", b"A: caf\xe9")
    assert date.startswith(b"Date: ") and date.endswith(b" GMT")


def test_the_application_s_own_date_stands():
    assert sent(ResponseHead("200 OK", [("date", "today")]))[1:] == [b"date: today"]


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        ("200 OK", "A", "1\r\nB: 2"),
        ("200 OK", "A", "1\n"),
        ("200 OK", "A\r\nB", "1"),
        ("200 OK\r\nA: 1", "B", "2"),
        ("200 OK", "A", "1\r"),
        ("200 OK", "A", "\u20ac"),
        ("OK", "A", "1"),
    ],
)
def test_what_would_break_out_of_its_line_is_refused(status, name, value):
    with pytest.raises(ValueError):
        ResponseHead(status, [(name, value)])


@pytest.mark.parametrize(("name", "value"), [(b"A", "1"), ("A", b"1"), ("A", 1)])
def test_only_native_strings_are_headers(name, value):
    with pytest.raises(TypeError):
        ResponseHead("200 OK", [(name, value)])


def test_an_answer_says_how_its_body_ends():
    known, unknown, old = (ResponseHead("200 OK", []) for _ in range(3))
    assert (known.frame(2, "HTTP/1.1"), unknown.frame(None, "HTTP/1.1")) == (False, True)
    assert (old.frame(None, "HTTP/1.0"), old.closes) == (False, True)
    assert b"Content-Length: 2" in sent(known)
    assert b"Transfer-Encoding: chunked" in sent(unknown)
    assert len(sent(old)) == 2
    own = ResponseHead("200 OK", [("Content-Length", "5")])
    assert own.frame(2, "HTTP/1.1") is False
    assert sent(own)[1] == b"Content-Length: 5"


def test_an_answer_without_a_body_has_no_length():
    response = ResponseHead("204 No Content", [])
    assert response.frame(0, "HTTP/1.1") is False
    assert len(sent(response)) == 2
    with pytest.raises(AssertionError):
        ResponseHead("304 Not Modified", [("Content-Length", "5")])


def test_only_a_whole_close_ends_the_connection():
    assert ResponseHead("200 OK", [("Connection", "Close")]).closes
    kept = ResponseHead("200 OK", [("Connection", "keep-alive")])
    assert kept.tells_connection and not kept.closes
