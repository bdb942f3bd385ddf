"""One database behind its circuit breaker: short transactions, and errors turned into the product's own."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from mechamap.domain.errors import Unavailable

from .breaker import Breaker, CircuitOpen
from .failures import Failure, failure_of

log = logging.getLogger(__name__)

_SENTENCES = {
    Failure.AWAY: "The {name} database does not answer.",
    Failure.BUSY: "The {name} database is too busy.",
    Failure.REFUSED: "The {name} database refuses our account or has no such database.",
    Failure.SCHEMA: "The {name} database lacks a table or column that was asked for.",
    Failure.OTHER: "The {name} database could not carry out the statement.",
}


class SchemaMismatch(Unavailable):
    """A table or column that a statement names is not there (or not ours to read)."""

    code = "schema_mismatch"


class Source:
    """Where rows come from. Two sources may share one engine, and then one breaker, when their URLs are
    equal.

    Args:
        name: for people: "server's" or "Laravel".
        error: what callers of this source are told when it cannot be asked.
    """

    def __init__(
        self, name: str, engine: Engine, breaker: Breaker, error: type[Unavailable] = Unavailable
    ) -> None:
        self.name = name
        self.engine = engine
        self.breaker = breaker
        self._error = error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for a few SELECTs; its read transaction ends with the block, so no old snapshot is
        kept.

        Raises:
            Unavailable: (of this source's class) the database cannot be asked.
            SchemaMismatch: a table or column is missing.
        """
        with self._guarded(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end of the block, rolled back when it raises."""
        with self._guarded(), self.engine.begin() as connection:
            yield connection

    def ping(self) -> None:
        """One round trip, so that a database that came back is noticed.

        Raises:
            Unavailable: it does not answer.
        """
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            self.breaker.admit()
        except CircuitOpen as err:
            raise self._error(
                _SENTENCES[Failure.AWAY].format(name=self.name), retry_after=math.ceil(err.retry_after)
            ) from err
        try:
            yield
        except (SQLAlchemyError, OSError) as err:
            raise self._translated(err) from err
        except Exception:
            # the block's own refusal (not found, not the owner): the database did answer
            self.breaker.succeeded()
            raise
        except BaseException:
            self.breaker.abandoned()
            raise
        else:
            self.breaker.succeeded()

    def _translated(self, err: SQLAlchemyError | OSError) -> Unavailable:
        failure = failure_of(err)
        if failure in (Failure.AWAY, Failure.REFUSED):
            self.breaker.failed()
        elif failure is Failure.BUSY and self.engine.dialect.name != "sqlite":
            # a full pool says nothing of the server; a trial that ended so is to be repeated
            self.breaker.abandoned()
        else:
            self.breaker.succeeded()
        # the error's own text may quote values of the statement, so only its class and kind are logged
        log.warning(
            "database_failed",
            extra={"database": self.name, "failure": failure.value, "error": type(err).__name__},
        )
        sentence = _SENTENCES[failure].format(name=self.name)
        return SchemaMismatch(sentence) if failure is Failure.SCHEMA else self._error(sentence)
