"""Members of presence channels over several workers: one thread per worker brings Redis up to date.

Callers change the books and wait for a ticket; whatever changed since the last round goes in one script call,
and the lists that are wanted come in one more, each once, however many joined or asked.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis

from mechamap.broker.connection import command_client, translated
from mechamap.broker.lease import LEASE
from mechamap.broker.supervision import join, log_lost, supervised
from mechamap.broker.topology import PREFIX
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.members import Announcement, Joined, Listed, Member, MemberPage

from .held import Held, Key
from .member_tables import ROWS, Committed, MemberTables
from .protocol import Announce

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two rounds without changes: the lease, the dead, the ended grace periods."""
RETRY = 0.25
TIMEOUT = 2.0
"""Seconds until a joining that Redis has not confirmed is refused."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """One connection's wish to see ``most`` members of a channel, those after one, once all that this worker
    knows is written. ``user_id``: whom that makes a member; None for nobody."""

    channel: str
    after: int
    most: int
    user_id: int | None = None
    open: bool = True
    answered: threading.Event = field(default_factory=threading.Event)
    joined: Joined | None = None


class RedisMembers:
    """``Members`` and ``MembersLink``. ``on_lost`` as for the broker: the writing thread ended early."""

    def __init__(
        self,
        url: str,
        worker_id: str,
        grace: float,
        *,
        prefix: str = PREFIX,
        lease: float = LEASE,
        on_lost: Callable[[str], None] = log_lost,
    ) -> None:
        """``grace``: seconds a user whose last connection ended stays a member."""
        self._client = command_client(url)
        self._tables = MemberTables(self._client, prefix, worker_id, lease=lease, grace=grace)
        self._held = Held()
        self._tickets: list[_Ticket] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._on_lost = on_lost
        self._announce: Announce | None = None
        self._thread: threading.Thread | None = None
        self._epoch = ""
        self._sweep_at = 0.0

    def join(self, channel: str, member: Member, sid: str, *, most: int, returning: bool = False) -> Joined:
        if self._thread is None or self._stopping:
            raise BrokerUnavailable("No worker runs in this process: nobody can be a member.")
        self._held.add(channel, member, sid, returning=returning)
        try:
            return self._ask(
                _Ticket(channel, 0, most, member.user_id),
                "Redis did not confirm the member in time: nobody joined.",
            )
        except BaseException:  # gevent ends a greenlet by raising in it
            self.leave(channel, member.user_id, sid, at_once=True)
            raise

    def leave(self, channel: str, user_id: int, sid: str, *, at_once: bool) -> None:
        if self._held.remove(channel, user_id, sid, at_once=at_once):
            with self._changed:
                self._changed.notify_all()

    def page(self, channel: str, after: int, limit: int) -> MemberPage:
        with translated("members cannot be listed"):
            [listed] = self._tables.pages([(channel, after, limit)])
        return listed.page

    def listed(self, channel: str, after: int, limit: int) -> Listed:
        if self._thread is None or self._stopping:
            raise BrokerUnavailable("No worker runs in this process: nobody is a member.")
        return self._ask(_Ticket(channel, after, limit), "Redis did not list the members in time.").listed

    def start(self, announce: Announce) -> None:
        if self._thread is not None:
            raise RuntimeError("the members were started before")
        self._announce = announce
        self._thread = supervised("members-writer", self._run, self._on_lost)

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            join(self._thread, 2.0)
            self._held.clear()
            try:
                while self._held.stale:
                    self._publish(self._commit(sweep=False).waiting)
                self._tables.release()
            except redis.RedisError as err:
                log.info("members_lease_not_released", extra={"error": type(err).__name__})
        self._client.close()

    def _ask(self, ticket: _Ticket, otherwise: str) -> Joined:
        with self._changed:
            self._tickets.append(ticket)
            self._changed.notify_all()
        try:
            ticket.answered.wait(TIMEOUT)
        finally:
            ticket.open = False
        if ticket.joined is None:
            raise BrokerUnavailable(otherwise)
        return ticket.joined

    def _run(self) -> None:
        """Keep Redis up to date and the lease alive until ``stop``."""
        well = True
        while not self._stopping:
            try:
                more = self._round()
                well = True
            except redis.RedisError as err:
                log.log(
                    logging.WARNING if well else logging.DEBUG,
                    "members_not_written",
                    extra={"error": type(err).__name__},
                )
                well, more = False, False
            with self._changed:
                if not well:
                    self._changed.wait_for(lambda: self._stopping, RETRY)
                elif not more:
                    self._changed.wait_for(self._has_work, max(0.0, self._sweep_at - time.monotonic()))

    def _has_work(self) -> bool:
        return bool(self._held.stale or self._tickets or self._stopping)

    def _round(self) -> bool:
        """Write what changed, answer who waits, publish what is to be announced; whether more is to do."""
        with self._changed:
            tickets, self._tickets = self._tickets, []
        rest = self._held.stale - ROWS
        first: set[Key] = set()
        try:
            sweep = time.monotonic() >= self._sweep_at
            committed = self._commit(sweep=sweep)
            if sweep:
                self._sweep_at = time.monotonic() + TICK
            more = committed.more
            first |= committed.first
            while tickets and rest > 0:
                rest -= ROWS
                committed = self._commit(sweep=False)
                first |= committed.first
            self._answer(tickets, first)
        except redis.RedisError:
            with self._changed:  # until they are answered or give up
                self._tickets = [ticket for ticket in tickets if ticket.open] + self._tickets
            raise
        self._publish(committed.waiting)
        return more

    def _commit(self, *, sweep: bool) -> Committed:
        rows, size = self._held.take(ROWS)
        try:
            committed = self._tables.commit(rows, sweep=sweep)
        except redis.RedisError:
            self._held.put_back(rows)
            raise
        lost = self._epoch not in ("", committed.epoch)
        self._epoch = committed.epoch
        if lost:  # Redis lost its data; nobody was told that anybody left
            self._held.put_back_all(quiet=True)
        elif size not in (None, committed.size):
            # this worker was taken for dead, or Redis holds what it let go of
            log.warning("members_differ", extra={"here": size, "there": committed.size})
            self._held.unknown(self._tables.own())
            self._held.put_back_all(quiet=False)
        return committed

    def _answer(self, tickets: Sequence[_Ticket], first: set[Key]) -> None:
        nothing = Listed(MemberPage((), 0))
        wanted = {(ticket.channel, ticket.after, ticket.most): nothing for ticket in tickets}
        asked = [each for each in wanted if each[2]]
        wanted.update(zip(asked, self._tables.pages(asked), strict=True))
        for ticket in tickets:
            key = ticket.channel, ticket.user_id
            ticket.joined = Joined(key in first, wanted[ticket.channel, ticket.after, ticket.most])
            first.discard(key)
            ticket.answered.set()

    def _publish(self, waiting: tuple[Announcement | None, ...]) -> None:
        while waiting:
            count = self._announced(waiting)
            waiting = self._tables.published(count, stuck=count < len(waiting))
            if not self._stopping and (self._tickets or self._held.stale):
                return  # who waits here must not wait for all that others decide; the next round goes on

    def _announced(self, waiting: tuple[Announcement | None, ...]) -> int:
        """How many of the first need no more trying."""
        readable = [each for each in waiting if each is not None]
        done = self._announce(readable) if readable and self._announce is not None else 0
        if done == len(readable):
            return len(waiting)
        return waiting.index(readable[done])
