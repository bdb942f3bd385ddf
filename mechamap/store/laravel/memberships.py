"""Who takes part in which conversation, and how many do, from the two tables in which that is kept."""

from collections.abc import Collection
from itertools import islice

from sqlalchemy import ColumnElement, Connection, bindparam, column, func, select, table, tuple_

from mechamap.domain.facts import MembershipFacts
from mechamap.store.cache import BATCH

from .schema import LaravelSchema, Schema

Pair = tuple[int, int]
"""The ids of a conversation and a user."""

PARTICIPANTS = "conversation_participants"
MEMBERS = "group_members"


def memberships(schema: LaravelSchema, pairs: Collection[Pair]) -> dict[Pair, MembershipFacts]:
    """The parts that there are, two queries for every 500 pairs; a table that is missing names nobody.

    Raises:
        DirectoryUnavailable: the database cannot be asked.
    """

    def ask(connection: Connection, known: Schema) -> dict[Pair, MembershipFacts]:
        found: dict[Pair, MembershipFacts] = {}
        rest = iter(pairs)
        while some := list(islice(rest, BATCH)):
            participants = _named(connection, known, PARTICIPANTS, some)
            members = _named(connection, known, MEMBERS, some)
            for pair in participants | members:
                found[pair] = MembershipFacts(*pair, pair in participants, pair in members)
        return found

    return schema.read(ask) if pairs else {}


def group_sizes(schema: LaravelSchema, group_ids: Collection[int]) -> dict[int, int]:
    """How many active members each group has; those without any are left out.

    Raises:
        DirectoryUnavailable: the database cannot be asked.
    """

    def ask(connection: Connection, known: Schema) -> dict[int, int]:
        if not known.has(MEMBERS, "conversation_id", "user_id"):
            return {}
        group = column("conversation_id")
        query = (
            select(group, func.count())
            .select_from(table(MEMBERS))
            .where(group.in_(bindparam("ids", expanding=True)))
        )
        for condition in _still(known, MEMBERS):
            query = query.where(condition)
        rows = connection.execute(query.group_by(group), {"ids": list(group_ids)})
        return {int(group_id): int(size) for group_id, size in rows}

    return schema.read(ask) if group_ids else {}


def _named(connection: Connection, schema: Schema, name: str, pairs: list[Pair]) -> set[Pair]:
    """Those of the pairs that the table names now."""
    if not schema.has(name, "conversation_id", "user_id"):
        return set()
    pair = column("conversation_id"), column("user_id")
    # the index both tables have on the two columns serves it; two lists would find all their combinations
    query = (
        select(*pair).select_from(table(name)).where(tuple_(*pair).in_(bindparam("pairs", expanding=True)))
    )
    for condition in _still(schema, name):
        query = query.where(condition)
    rows = connection.execute(query, {"pairs": pairs})
    return {(int(conversation), int(user)) for conversation, user in rows}


def _still(schema: Schema, name: str) -> list[ColumnElement[bool]]:
    """What must hold of a row that counts. Who leaves a group keeps the row, marked."""
    conditions = [column(left).is_(None) for left in schema.only(name, "deleted_at")]
    if schema.has(name, "is_active"):
        conditions.append(column("is_active") != 0)
    elif schema.has(name, "left_at"):
        conditions.append(column("left_at").is_(None))
    return conditions
