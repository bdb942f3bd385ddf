"""The directory of people and places in Laravel's tables, behind a short cache."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, column

from mechamap.domain.facts import Fact, Place
from mechamap.domain.identity import UserFacts
from mechamap.settings import Settings
from mechamap.store.cache import BATCH, FactCache
from mechamap.store.probe import Probe
from mechamap.store.source import Source

from .gaps import gaps_of
from .memberships import memberships
from .rows import CONVERSATIONS, FORUMS, SELLERS, SHOWCASES, THREADS, USERS, Reading
from .schema import MAX_ID, LaravelSchema, Schema

F = TypeVar("F")


class LaravelDirectory:
    """Implements ``store.protocol.Directory``. Rows are at most ``settings.cache_seconds`` old, and shared
    between callers.
    """

    def __init__(self, source: Source, settings: Settings) -> None:
        self.schema = LaravelSchema(source)
        self._users: FactCache[int, UserFacts] = FactCache(partial(self._load, USERS), settings.cache_seconds)
        places: dict[Fact, Callable[[Collection[Any]], Mapping[Any, object]]] = {
            Fact.THREAD: partial(self._load, THREADS),
            Fact.FORUM: partial(self._load, FORUMS),
            Fact.CONVERSATION: partial(self._load, CONVERSATIONS),
            Fact.MEMBERSHIP: partial(memberships, self.schema),
            Fact.SHOWCASE: partial(self._load, SHOWCASES),
            Fact.SELLER: partial(self._load, SELLERS),
        }
        self._places = {
            fact: (load, FactCache[Any, object](load, settings.cache_seconds))
            for fact, load in places.items()
        }
        self._probe = Probe(source)
        # made once for each schema: making and comparing one costs more than fetching ten rows with it
        self._statements: dict[str, tuple[Schema, Select[Any]]] = {}

    def user(self, user_id: int) -> UserFacts | None:
        return self._users.get(user_id) if _possible(user_id) else None

    def users(self, user_ids: Collection[int]) -> dict[int, UserFacts]:
        ticket = self._users.ticket()
        rows = self._load(USERS, user_ids)
        self._users.put(rows, ticket)
        return rows

    def find(self, fact: Fact, key: int | tuple[int, int]) -> object | None:
        _, cache = self._places[fact]
        return cache.get(key) if _possible(key) else None

    def gather(self, places: Collection[Place]) -> dict[Place, object]:
        by_fact: dict[Fact, list[int | tuple[int, int]]] = {}
        for fact, key in places:
            if _possible(key):
                by_fact.setdefault(fact, []).append(key)
        found: dict[Place, object] = {}
        for fact, keys in by_fact.items():
            load, cache = self._places[fact]
            ticket = cache.ticket()
            rows = load(keys)
            cache.put(rows, ticket)
            for key in keys:
                if key not in rows:
                    cache.forget(key)  # else what was lost would be remembered
            found.update({(fact, key): row for key, row in rows.items()})
        return found

    def knows_users(self) -> bool:
        """Whether there is a table of users at all; without one a JWT's claims are all there is.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """
        return self.schema.current().has("users", "id")

    def available(self) -> tuple[bool, str]:
        """Whether the database answers, and a sentence. Takes a second at most, never raises."""
        return self._probe.available()

    def gaps(self) -> list[str]:
        """What the schema lacks and what follows, one sentence each.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """
        return gaps_of(self.schema.current())

    def _load(self, reading: Reading[F], ids: Collection[int]) -> dict[int, F]:
        """Facts of many rows by id, a query for every 500 ids; missing rows and tables have none."""
        wanted = sorted({row_id for row_id in ids if _possible(row_id)})

        def ask(connection: Connection, schema: Schema) -> dict[int, F]:
            if not schema.has(reading.table, "id"):
                return {}
            statement = self._statement(reading, schema)
            found: dict[int, F] = {}
            for start in range(0, len(wanted), BATCH):
                rows = connection.execute(statement, {"ids": wanted[start : start + BATCH]})
                names = tuple(rows.keys())
                for row in rows:
                    fields = dict(zip(names, row, strict=True))
                    found[int(fields["id"])] = reading.build(fields)
            return found

        return self.schema.read(ask) if wanted else {}

    def _statement(self, reading: Reading[F], schema: Schema) -> Select[Any]:
        """Rows by their ``ids``, of the columns there are."""
        known, statement = self._statements.get(reading.table, (None, None))
        if known is not schema or statement is None:
            statement = reading.query(schema).where(column("id").in_(bindparam("ids", expanding=True)))
            self._statements[reading.table] = schema, statement
        return statement


def _possible(key: int | tuple[int, int]) -> bool:
    return all(0 < row_id <= MAX_ID for row_id in (key if isinstance(key, tuple) else (key,)))
