"""A person with the password's hash: only for signing in to the console, and for staying there."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Connection, column, or_

from mechamap.domain.identity import UserFacts
from mechamap.domain.logins import MAX_LOGIN, folded
from mechamap.store.source import Source

from .rows import USERS, Row
from .schema import LaravelSchema, Schema


@dataclass(frozen=True, slots=True)
class Account:
    """A person who has a password."""

    user: UserFacts
    password_hash: str = field(repr=False)


class Accounts:
    """Not cached: a changed password counts at once, and a hash stays in memory no longer than needed."""

    def __init__(self, source: Source, schema: LaravelSchema | None = None) -> None:
        self._schema = schema or LaravelSchema(source)

    def find(self, login: str) -> Account | None:
        """The one person with this e-mail address or user name; None also when two people match.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """
        # no database can be asked for text with a lone surrogate in it
        if not 0 < len(login) <= MAX_LOGIN or any("\ud800" <= each <= "\udfff" for each in login):
            return None

        def ask(connection: Connection, schema: Schema) -> Account | None:
            names = [column(name) for name in schema.only(USERS.table, "email", "username")]
            if not names:
                return None
            row = _one(connection, schema, or_(*(name == login for name in names)), *names)
            # the database may take more for equal than tries are counted together for
            if row is None or folded(login) not in {folded(str(row[name.name] or "")) for name in names}:
                return None
            return _account(row)

        return self._schema.read(ask)

    def of(self, user_id: int) -> Account | None:
        """The person with this id, as the row is now.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """

        def ask(connection: Connection, schema: Schema) -> Account | None:
            row = _one(connection, schema, column("id") == user_id)
            return None if row is None else _account(row)

        return self._schema.read(ask)


def _one(
    connection: Connection, schema: Schema, which: ColumnElement[bool], *more: ColumnClause[Any]
) -> Row | None:
    """The one row with a password; None of two."""
    if not schema.has(USERS.table, "id", "password"):
        return None
    query = USERS.query(schema).add_columns(column("password"), *more).where(which).limit(2)
    rows = connection.execute(query).mappings().all()
    return rows[0] if len(rows) == 1 and rows[0]["password"] is not None else None


def _account(row: Row) -> Account:
    return Account(USERS.build(row), str(row["password"]))
