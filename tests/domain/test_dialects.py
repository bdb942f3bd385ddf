"""Which dialect a browser means, and how it is kept."""

import pytest

from mechamap.domain.dialects import (
    Dialect,
    dialect_of_handshake,
    dialect_of_subscription,
    mark,
    unmark,
)

PLAN, ECHO = Dialect.PLAN, Dialect.ECHO


@pytest.mark.parametrize(
    ("auth", "token", "dialect"),
    [
        ({"headers": {}}, False, ECHO),
        ({"headers": {"Authorization": "Bearer x"}}, False, ECHO),
        ({"headers": {}, "token": ""}, False, ECHO),
        ({"headers": {}, "token": "x"}, False, PLAN),
        ({"headers": {}}, True, PLAN),
        ({"headers": {}, "dialect": "plan"}, False, PLAN),
        ({"token": "x", "dialect": "echo"}, True, ECHO),
        ({"headers": {}, "dialect": ["x"]}, False, ECHO),
        ({"token": "x"}, False, PLAN),
        ({}, False, PLAN),
        (None, False, PLAN),
        ("headers", False, PLAN),
    ],
)
def test_a_connection_speaks_as_its_handshake_says(auth, token, dialect):
    assert dialect_of_handshake(auth, token=token) is dialect


@pytest.mark.parametrize(
    ("payload", "dialect"),
    [
        ({"channel": "public.a", "auth": {"headers": {}}}, ECHO),
        ({"channel": "public.a", "auth": {}}, ECHO),
        ({"channel": "public.a", "auth": None}, ECHO),
        ({"channel": "public.a", "auth": "key:signature"}, None),
        ({"channel": "public.a", "auth": 1}, None),
        ({"channel": "public.a"}, None),
        ("public.a", None),
        (None, None),
    ],
)
def test_a_subscription_with_echos_option_is_echos(payload, dialect):
    assert dialect_of_subscription(payload) is dialect


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", ["public.a", "echo.a", "private-user.7"])
def test_what_is_marked_is_found_again(name, dialect):
    assert unmark(mark(name, dialect)) == (name, dialect)
    assert mark(name, PLAN) != mark(name, ECHO)
