"""Members in Redis as one worker uses them: rows and answers of ``member_scripts`` as values."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from mechamap.broker.sequence import Keys
from mechamap.broker.stamp import new_epoch
from mechamap.domain.history import Position
from mechamap.domain.members import Announcement, AsOf, Change, Listed, Member, MemberPage, Serial, serial_of

from .held import Key, Row
from .member_scripts import COMMIT, DONE, PAGE, RELEASE

ROWS = 200
"""Changes per script call: about 2 ms during which Redis serves nobody else."""
DIGITS = 19


@dataclass(frozen=True, slots=True)
class Committed:
    """What Redis has after some rows. ``waiting``: announcements that this worker is to publish, in order;
    None for one that cannot be read. ``first``: the members that these rows made."""

    epoch: str
    size: int
    more: bool
    waiting: tuple[Announcement | None, ...]
    first: frozenset[Key]


class MemberTables:
    """The tables in Redis as one worker uses them. Raises redis-py's errors."""

    def __init__(
        self, client: redis.Redis, prefix: str, worker_id: str, *, lease: float, grace: float
    ) -> None:
        self._client = client
        self._worker = worker_id
        self._tables = f"{prefix}:members:"
        self._keys = [self._tables + name for name in ("head", "workers", "due", "queue", "drainer")]
        self._reading_keys = [self._keys[3], *Keys(prefix).sequence[:2]]
        self._known = Serial("", 0)
        self._times = [int(lease * 1000), int(grace * 1000)]

    def commit(self, rows: Sequence[Row], *, sweep: bool) -> Committed:
        """Write up to ``ROWS`` rows and renew the lease; ``sweep`` looks for the dead."""
        arguments = [self._tables, self._worker, *self._times, new_epoch(), int(sweep)]
        arguments += [self._known.epoch, self._known.number]
        for row in rows:
            arguments += [row.channel, _padded(row.user_id)]
            if row.member is not None:
                arguments += ["quiet" if row.quiet else "held", row.by, _name_text(row.member)]
            else:
                arguments += ["now" if row.at_once else "gone", "", ""]
        epoch, size, more, waiting, first = COMMIT.run(self._client, self._keys, arguments)
        made = frozenset(row.key for row, new in zip(rows, first, strict=True) if new)
        announcements = _announcements(waiting)
        for each in announcements:
            self._learn(serial_of(each.id) if each is not None else None, epoch.decode())
        return Committed(epoch.decode(), size, bool(more), announcements, made)

    def published(self, count: int, *, stuck: bool) -> tuple[Announcement | None, ...]:
        """Take the first ``count`` announcements out of the queue; the next ones to publish. None if this
        worker is ``stuck``: another may be able to."""
        arguments = [self._worker, count, int(stuck)]
        return _announcements(DONE.run(self._client, self._keys[3:], arguments))

    def pages(self, wanted: Sequence[tuple[str, int, int]]) -> list[Listed]:
        """A page for each (channel, user after whom, limit), in one round trip."""
        if not wanted:
            return []
        # one more than asked for tells whether there is another page
        calls = [[self._tables, channel, _padded(after), limit + 1] for channel, after, limit in wanted]
        pages = []
        answers = PAGE.run_many(self._client, self._reading_keys, calls)
        for answer, (_, _, limit) in zip(answers, wanted, strict=True):
            if isinstance(answer, redis.RedisError):
                raise answer
            total, ids, names, *as_of = answer
            pages.append(Listed(_page(total, ids, names, limit), _as_of(*as_of)))
        return pages

    def own(self) -> list[Key]:
        """What Redis has for this worker."""
        fields = self._client.hkeys(f"{self._tables}held:{self._worker}")
        split = (field.decode().partition("\n") for field in fields)
        return [(channel, int(user)) for channel, _, user in split]

    def release(self) -> None:
        """Give up the lease, and the queue to whoever comes next."""
        RELEASE.run(self._client, [self._keys[1], self._keys[4]], [self._worker])

    def _learn(self, serial: Serial | None, epoch: str) -> None:
        if serial is not None and serial.epoch == epoch and not serial.had_by(self._known):
            self._known = serial


def _page(total: int, ids: Sequence[bytes], names: Sequence[bytes | None], limit: int) -> MemberPage:
    members = tuple(
        Member(int(user), _name_of(name))
        for user, name in zip(ids[:limit], names, strict=False)
        if name is not None
    )
    return MemberPage(members, total, int(ids[limit - 1]) if 0 < limit < len(ids) else None)


def _as_of(last: bytes, queued: int, epoch: bytes, newest: bytes) -> AsOf:
    position = Position(epoch.decode(), int(newest)) if epoch and newest else None
    return AsOf(serial_of(last.decode()), bool(queued), position)


def _padded(user_id: int) -> str:
    """Ids as text whose order is theirs: scores of a sorted set are exact to 53 bits only."""
    return f"{user_id:0{DIGITS}}"


def _name_text(member: Member) -> str:
    return "" if member.name is None else f"={member.name}"


def _name_of(text: bytes) -> str | None:
    return text[1:].decode(errors="replace") if text else None


def _announcements(rows: Sequence[bytes]) -> tuple[Announcement | None, ...]:
    return tuple(map(_announcement, rows))


def _announcement(row: bytes) -> Announcement | None:
    try:
        change, id, channel, user, by, name = row.split(b"\n", 5)
        member = Member(int(user), _name_of(name))
        return Announcement(
            Change(change.decode()), channel.decode(), member, by.decode() or None, id.decode()
        )
    except ValueError:  # others may write there too
        return None
