"""Logs: one event a line, JSON or plain, without secrets.

A line is an event name and fields (``log.info("subscription_refused", extra={"user": 7})``), never a
payload. Whatever slips through is masked here: fields that are secrets by name, and text that looks like a
token.
"""

import json
import logging
import re
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

MASK = "[redacted]"
_SECRET_FIELDS = re.compile(r"token|secret|password|authorization|api_?key|cookie", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?i:bearer)\s+[\w.~+/|\-]{8,}=*"  # Authorization headers
    r"|eyJ[\w\-]{5,}\.[\w\-]+\.[\w\-]*"  # JWT
    r"|\b\d+\|[A-Za-z0-9]{20,}"  # Sanctum
    r"|\bmmk_[\w\-]{10,}"  # our broadcast keys
    r"|(?<=[?&]token=)[^&\s\"']+|(?<=[?&]sid=)[^&\s\"']+|(?<=[?&]api_key=)[^&\s\"']+"
    r"|(?<=[?&]auth_key=)[^&\s\"']+|(?<=[?&]auth_signature=)[^&\s\"']+"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"  # user:password in URLs
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def masked(text: str) -> str:
    """``text`` with everything that looks like a secret replaced."""
    # each of the expression's branches needs one of these, and most texts have none: 0.3 µs instead of 2
    if (
        "|" in text
        or "=" in text
        or "@" in text
        or "eyJ" in text
        or "mmk_" in text
        or "bearer" in text.lower()
    ):
        return _SECRET_TEXT.sub(MASK, text)
    return text


@lru_cache(maxsize=1024)
def _is_secret(field: str) -> bool:
    # names of fields are written in the code, so there are few
    return _SECRET_FIELDS.search(field) is not None


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {}
    for name, value in vars(record).items():
        if name in _STANDARD:
            continue
        if _is_secret(name):
            value = MASK
        elif isinstance(value, str):
            value = masked(value)
        fields[name] = value
    if (current := request_id.get()) is not None:
        fields.setdefault("request_id", current)
    return fields


# json.dumps() with these arguments would make an encoder per call.
_to_json = json.JSONEncoder(default=str, ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": masked(record.getMessage()),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = masked(self.formatException(record.exc_info))
        return _to_json(line)


class PlainFormatter(logging.Formatter):
    """Columns for people."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{when} {record.levelname:<7} {masked(record.getMessage())}{'  ' + fields if fields else ''}"
        return f"{line}\n{masked(self.formatException(record.exc_info))}" if record.exc_info else line


def config(level: str, style: str) -> dict[str, Any]:
    """A ``logging.config`` dictionary; gunicorn takes the same one, so its lines look like ours."""
    formatter = f"{__name__}.{'JsonFormatter' if style == 'json' else 'PlainFormatter'}"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "mechamap": {"level": level, "propagate": True},
            "gunicorn.error": {"level": "INFO", "propagate": True, "handlers": []},
            # both print whole requests, tokens in query strings included
            "gunicorn.access": {"level": "CRITICAL", "propagate": False, "handlers": []},
            "geventwebsocket.handler": {"level": "CRITICAL", "propagate": False, "handlers": []},
        },
    }
