"""A person by e-mail address or user name, with the password's hash: only for signing in to the dashboard."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, column, or_

from mechamap.domain.identity import UserFacts
from mechamap.store.source import Source

from .rows import USERS
from .schema import LaravelSchema, Schema

MAX_LOGIN_LENGTH = 191
"""Characters, as ``users.email`` and ``users.username`` have them."""


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
        if not 0 < len(login) <= MAX_LOGIN_LENGTH or any("\ud800" <= each <= "\udfff" for each in login):
            return None

        def ask(connection: Connection, schema: Schema) -> Account | None:
            names = schema.only(USERS.table, "email", "username")
            if not names or not schema.has(USERS.table, "id", "password"):
                return None
            query = (
                USERS.query(schema)
                .add_columns(column("password"))
                .where(or_(*(column(name) == login for name in names)))
                .limit(2)
            )
            rows = connection.execute(query).mappings().all()
            if len(rows) != 1 or rows[0]["password"] is None:
                return None
            return Account(USERS.build(rows[0]), str(rows[0]["password"]))

        return self._schema.read(ask)
