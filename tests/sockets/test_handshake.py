"""What a handshake tells of a browser, and where its token may stand."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.sockets.handshake import token_of, visitor_of


@pytest.mark.parametrize(
    ("auth", "environ", "token"),
    [
        ({"token": "a"}, {"HTTP_AUTHORIZATION": "Bearer b", "QUERY_STRING": "token=c"}, "a"),
        ({"token": ""}, {"HTTP_AUTHORIZATION": "Bearer b", "QUERY_STRING": "token=c"}, "b"),
        ({"token": None}, {"HTTP_AUTHORIZATION": "bearer  b "}, "b"),
        ({"token": 7}, {"HTTP_AUTHORIZATION": "Bearer b"}, 7),
        (None, {"HTTP_AUTHORIZATION": "Basic b", "QUERY_STRING": "EIO=4&token=c"}, "c"),
        ("a", {"HTTP_AUTHORIZATION": "Bearer ", "QUERY_STRING": "token=7%7Cab%2Bc&token=d"}, "7|ab+c"),
        ({}, {"QUERY_STRING": "tokens=c&xtoken=d"}, None),
        ([], {"QUERY_STRING": "token="}, ""),
        (None, {}, None),
        ({"headers": {"Authorization": "Bearer a"}}, {"HTTP_AUTHORIZATION": "Bearer b"}, "a"),
        ({"token": "t", "headers": {"Authorization": "Bearer a"}}, {}, "t"),
        ({"headers": {"X-CSRF-TOKEN": "x", "authorization": "bearer  a "}}, {}, "a"),
        ({"headers": {"Authorization": "Basic a"}}, {"QUERY_STRING": "token=c"}, "c"),
        ({"headers": {"Authorization": ["Bearer a"], 7: "x"}}, {}, None),
        ({"headers": "Authorization: Bearer a"}, {}, None),
    ],
)
def test_the_token_is_the_first_of_payload_header_and_query(auth, environ, token):
    assert token_of(auth, environ) == token


@given(st.text(alphabet="tokenTOKEN=&%+;#2 é|", max_size=40))
def test_the_query_is_read_as_the_standard_library_reads_it(query):
    expected = parse_qs(query, keep_blank_values=True).get("token", [None])[0]
    assert token_of(None, {"QUERY_STRING": query}) == expected


def test_a_visitor_is_described_within_bounds():
    visitor = visitor_of(
        {"REMOTE_ADDR": "10.0.0.1", "HTTP_USER_AGENT": "x" * 500, "QUERY_STRING": "transport=" + "y" * 50}
    )
    assert (visitor.address, visitor.user_agent, visitor.transport) == ("10.0.0.1", "x" * 200, "y" * 20)


def test_a_visitor_that_tells_nothing_polls():
    visitor = visitor_of({})
    assert (visitor.address, visitor.user_agent, visitor.transport) == (None, None, "polling")
