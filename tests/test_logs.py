"""Logs tell events and never secrets."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap import logs

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"
SANCTUM = "12|" + "aB3" * 16

SECRETS = [
    f"Authorization: Bearer {JWT}",
    f"token was {JWT}",
    f"token was {SANCTUM}",
    f"GET /socket.io/?EIO=4&token={SANCTUM}&x=1",
    "GET /socket.io/?EIO=4&sid=12345.67890",
    "could not connect to redis://:hunter2secret@host:6379/0",
    "could not connect to mysql://root:hunter2secret@host/db",
    "key mmk_abcdefghijklmnopqrstuvwxyz refused",
]


def line(formatter: logging.Formatter, message: str, **fields) -> str:
    record = logging.LogRecord("mechamap.test", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(fields)
    return formatter.format(record)


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.PlainFormatter()])
@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_masked_in_text_and_fields(formatter, text):
    for written in (line(formatter, text), line(formatter, "event", detail=text)):
        assert logs.MASK in written
        for secret in (JWT, SANCTUM, "hunter2secret", "12345.67890", "mmk_abc"):
            assert secret not in written


@pytest.mark.parametrize("name", ["token", "api_key", "Authorization", "password", "client_secret", "cookie"])
def test_a_field_that_is_a_secret_by_name_is_masked(name):
    assert "plainvalue" not in line(logs.JsonFormatter(), "event", **{name: "plainvalue"})


def test_a_json_line_is_one_object_with_its_fields_and_the_request_id():
    token = logs.request_id.set("req-1")
    try:
        written = json.loads(line(logs.JsonFormatter(), "subscription_refused", user=7, code="not_owner"))
    finally:
        logs.request_id.reset(token)
    assert written["event"] == "subscription_refused"
    assert (written["user"], written["code"], written["request_id"]) == (7, "not_owner", "req-1")
    assert written["level"] == "info"
    assert written["time"].endswith("Z")


def test_a_traceback_is_masked_too():
    try:
        raise ValueError(f"bad {JWT}")
    except ValueError:
        import sys

        record = logging.LogRecord(
            "mechamap", logging.ERROR, __file__, 1, "handler_failed", (), sys.exc_info()
        )
    for formatter in (logs.JsonFormatter(), logs.PlainFormatter()):
        written = formatter.format(record)
        assert "ValueError" in written
        assert JWT not in written


PIECES = [
    "Bearer ",
    "bEaReR\t",
    JWT,
    SANCTUM,
    "12|",
    "?token=",
    "&sid=",
    "?api_key=",
    "x" * 12,
    "redis://",
    ":pw@",
    "u",
    "mmk_",
    " ",
    "é",
    "BEARER\u2003",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8))
def test_the_quick_look_before_masking_misses_nothing(pieces):
    text = "".join(pieces)
    assert logs.masked(text) == logs._SECRET_TEXT.sub(logs.MASK, text)
