"""From rows of Laravel's tables to facts: which columns are asked for, and what they mean.

A column that a table lacks is not asked for and keeps the default of the fact, which restricts nothing.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, column, select, table

from mechamap.domain.facts import ConversationFacts, ForumFacts, SellerFacts, ShowcaseFacts, ThreadFacts
from mechamap.domain.identity import UserFacts

from .schema import Schema

F = TypeVar("F")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading(Generic[F]):
    """How one table is read.

    Attributes:
        table: its name.
        plain: columns whose value is used.
        dates: columns of which only matters whether they are set; MySQL's 0000-00-00 counts as set.
        build: makes the fact of a row; a column that is missing is missing from the mapping too.
        missing: dates that, set, make the row count as not there.
    """

    table: str
    plain: tuple[str, ...]
    dates: tuple[str, ...]
    build: Callable[[Row], F]
    missing: tuple[str, ...] = ()

    def query(self, schema: Schema) -> Select[Any]:
        """The SELECT for the columns there are."""
        columns: list[Any] = [column(name) for name in schema.only(self.table, *self.plain)]
        columns += [
            column(name).is_not(None).label(f"{name}_set") for name in schema.only(self.table, *self.dates)
        ]
        statement = select(*columns).select_from(table(self.table))
        for name in schema.only(self.table, *self.missing):
            statement = statement.where(column(name).is_(None))
        return statement


def _user(row: Row) -> UserFacts:
    # both must say so where both exist: the application writes them in different places
    active = row.get("status", "active") == "active" and bool(row.get("is_active", True))
    return UserFacts(
        user_id=int(row["id"]),
        name=_text(row.get("name")),
        role=_shared(_text(row.get("role"))),
        active=active,
        banned=bool(row.get("banned_at_set", False)),
    )


def _thread(row: Row) -> ThreadFacts:
    status = row.get("moderation_status")
    return ThreadFacts(
        thread_id=int(row["id"]),
        forum_id=_number(row.get("forum_id")),
        author_id=_number(row.get("user_id")),
        deleted=bool(row.get("deleted_at_set", False)),
        hidden=bool(row.get("hidden_at_set", False)),
        spam=bool(row.get("is_spam", False)),
        approved=status is None or status == "approved",
    )


def _forum(row: Row) -> ForumFacts:
    return ForumFacts(
        forum_id=int(row["id"]),
        required_role=_text(row.get("required_role")) or None,
        private=bool(row.get("is_private", False)),
    )


def _conversation(row: Row) -> ConversationFacts:
    return ConversationFacts(int(row["id"]), group=bool(row.get("is_group", False)))


def _showcase(row: Row) -> ShowcaseFacts:
    return ShowcaseFacts(
        showcase_id=int(row["id"]),
        owner_id=_number(row.get("user_id")),
        approved=row.get("status", "approved") in ("approved", "featured"),
        public=bool(row.get("is_public", True)),
    )


def _seller(row: Row) -> SellerFacts:
    return SellerFacts(int(row["id"]), _number(row.get("user_id")))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _shared(text: str | None) -> str | None:
    """One copy of a text that thousands of rows have."""
    return None if text is None else sys.intern(text)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


USERS = Reading(
    "users",
    plain=("id", "name", "role", "status", "is_active"),
    dates=("banned_at",),
    build=_user,
    # a soft-deleted user does not exist for Laravel's models either
    missing=("deleted_at",),
)
THREADS = Reading(
    "threads",
    plain=("id", "forum_id", "user_id", "is_spam", "moderation_status"),
    dates=("deleted_at", "hidden_at"),
    build=_thread,
)
FORUMS = Reading("forums", plain=("id", "required_role", "is_private"), dates=(), build=_forum)
CONVERSATIONS = Reading(
    "conversations", plain=("id", "is_group"), dates=(), build=_conversation, missing=("deleted_at",)
)
SHOWCASES = Reading(
    "showcases",
    plain=("id", "user_id", "status", "is_public"),
    dates=(),
    build=_showcase,
    missing=("deleted_at",),
)
SELLERS = Reading(
    "marketplace_sellers", plain=("id", "user_id"), dates=(), build=_seller, missing=("deleted_at",)
)
