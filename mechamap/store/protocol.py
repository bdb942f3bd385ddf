"""What the use cases ask of the databases."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.acts import Act
from mechamap.domain.facts import Fact, Place
from mechamap.domain.identity import UserFacts


class Directory(Protocol):
    """Facts about people and places, from Laravel's tables, through a short cache.

    None means that the row (or its whole table) does not exist. Every method raises DirectoryUnavailable when
    the database cannot be asked; after a failure it is not asked again for some seconds, so a dead database
    costs callers nothing.
    """

    def user(self, user_id: int) -> UserFacts | None: ...

    def users(self, user_ids: Collection[int]) -> dict[int, UserFacts]:
        """Fresh facts of many users in few queries (the cache is refilled, not consulted); missing ids do not
        exist."""

    def find(self, fact: Fact, key: int | tuple[int, int]) -> object | None:
        """The facts of one place."""

    def gather(self, places: Collection[Place]) -> Mapping[Place, object]:
        """Fresh facts of many places, of each kind in few queries (the cache is refilled, not consulted);
        missing places do not exist."""


@dataclass(frozen=True, slots=True)
class MarkedRead:
    """What marking did: the ids that are the user's own and now read, the unread count after it, and when
    (ISO 8601, UTC)."""

    ids: tuple[int | str, ...]
    unread_count: int
    read_at: str


class Notifications(Protocol):
    """The user's notifications, in whichever of the three historical shapes the database has."""

    def mark_read(self, user_id: int, ids: Collection[int | str]) -> MarkedRead:
        """Mark the user's own notifications as read; already read ones stay as they were and count as marked.

        Raises:
            NotFound: none of the ids is a notification of this user.
            DirectoryUnavailable: the database cannot be asked, or has no table of notifications.
        """


class GroupMembers(Protocol):
    """The sizes of groups."""

    def count(self, group_id: int) -> int:
        """The group's active members; 0 where there is no such group.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """


class SeenUsers(Protocol):
    """When users were last seen, as Laravel keeps it."""

    def seen(self, user_ids: Collection[int], seconds: float) -> None:
        """These are here now. Who was noted less than ``seconds`` ago, by whatever worker or by Laravel, is
        not noted again.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """


class AuditLog(Protocol):
    """Who did what. Rows are added, never changed."""

    def record(
        self,
        actor: str,
        action: Act,
        target: str,
        *,
        outcome: str = "ok",
        detail: str = "",
        address: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Add a row. A database that is away is logged, never raised: the action it describes already
        happened."""
