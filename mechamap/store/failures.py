"""What a library's database error means: the server is away or busy, or differs from what was inspected."""

from enum import StrEnum

import pymysql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class Failure(StrEnum):
    """AWAY opens the circuit breaker; the others mean that the server answered, or that only our pool is
    full.
    """

    AWAY = "away"
    BUSY = "busy"
    SCHEMA = "schema"
    REFUSED = "refused"
    OTHER = "other"


# Server and client error numbers of MySQL and MariaDB.
_AWAY = frozenset(
    {1040, 1053, 1077, 1079, 1080, 1152, 1153, 1158, 1159, 1160, 1161, 1203, 1927, *range(2000, 2060)}
)
_BUSY = frozenset({1205, 1213})
_SCHEMA = frozenset({1054, 1146, 1142, 1143, 1356})
_REFUSED = frozenset({1044, 1045, 1049, 1698})

# sqlite3 has one class for nearly everything and, before Python 3.11's sqlite_errorcode, only its words.
_SQLITE_SCHEMA = ("no such table", "no such column", "has no column named")
_SQLITE_BUSY = ("locked", "busy")
_SQLITE_AWAY = ("unable to open", "disk i/o", "disk is full", "readonly", "malformed", "not a database")


def failure_of(err: SQLAlchemyError | OSError) -> Failure:
    """What happened. Names and passwords of the connection never take part in the answer."""
    if isinstance(err, OSError):
        return Failure.AWAY
    if isinstance(err, PoolTimeout):
        return Failure.BUSY
    if not isinstance(err, DBAPIError):
        return Failure.OTHER
    number = _number(err)
    if number in _REFUSED:
        return Failure.REFUSED
    if number in _SCHEMA:
        return Failure.SCHEMA
    if number in _BUSY:
        return Failure.BUSY
    if number in _AWAY or err.connection_invalidated or isinstance(err.orig, pymysql.err.InterfaceError):
        return Failure.AWAY
    words = str(err.orig).lower()
    for failure, signs in (
        (Failure.SCHEMA, _SQLITE_SCHEMA), (Failure.BUSY, _SQLITE_BUSY), (Failure.AWAY, _SQLITE_AWAY)
    ):  # fmt: skip
        if any(sign in words for sign in signs):
            return failure
    return Failure.OTHER


def _number(err: DBAPIError) -> int | None:
    orig = err.orig
    if isinstance(orig, pymysql.err.MySQLError) and orig.args and isinstance(orig.args[0], int):
        return orig.args[0]
    return None
