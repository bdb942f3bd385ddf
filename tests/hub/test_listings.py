"""What a page is told of the members sums up to the true ones, however deciding, publishing, reading and
sending interleave.

The members here are decided by hand, as Redis does it for several workers: what was decided waits in a queue,
and the test says when it is published. A page knows nothing but what it is told.
"""

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import Unavailable
from mechamap.domain.identity import UserFacts
from mechamap.domain.members import (
    Announcement,
    AsOf,
    Change,
    Joined,
    Listed,
    Member,
    MemberPage,
    Serial,
)
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.hub import presence

THREAD, CANONICAL = "presence-thread.10", "thread:10"
LISTED = 3


class Decided:
    """``Members`` of a cluster: ``meanwhile`` runs between the reading of a list and its arrival."""

    def __init__(self, world) -> None:
        self.world = world
        self.true: set[int] = set()
        self.queue: deque[Announcement] = deque()
        self.last: Serial | None = None
        self.meanwhile = lambda: None

    def decide(self, change: Change, user_id: int, except_id: str | None = None) -> None:
        """Somebody came or went, here or on another worker."""
        (self.true.add if change is Change.JOINING else self.true.discard)(user_id)
        self.last = Serial("epoch", self.last.number + 1 if self.last else 1)
        member = Member(user_id, f"User {user_id}")
        self.queue.append(Announcement(change, CANONICAL, member, except_id, self.last.id()))

    def publish(self, number: int | None = None, *, forget: bool = True) -> None:
        """Whoever's turn it is publishes so many; one that dies then has not told so (``forget``)."""
        some = list(self.queue)[:number]
        assert self.world.hub._presence.announce(some) == len(some)
        if forget:
            for _ in some:
                self.queue.popleft()

    def join(self, channel, member, sid, *, most, returning=False):
        first = member.user_id not in self.true
        if first:
            self.decide(Change.JOINING, member.user_id, None if returning else sid)
        return Joined(first, self.listed(channel, 0, most))

    def leave(self, channel, user_id, sid, *, at_once):
        if user_id in self.true:
            self.decide(Change.LEAVING, user_id)

    def listed(self, channel, after, limit):
        ids = sorted(user_id for user_id in self.true if user_id > after)
        found = tuple(Member(user_id, f"User {user_id}") for user_id in ids[:limit])
        page = MemberPage(found, len(self.true), found[-1].user_id if len(ids) > limit else None)
        as_of = AsOf(self.last, queued=bool(self.queue), newest=self.world.broker.position(CANONICAL))
        self.meanwhile()
        return Listed(page, as_of)


@dataclass
class Page:
    """A browser's page: the last list, and what came behind it."""

    world: object
    sid: str
    members: set[int] = field(default_factory=set)
    total: int | None = None
    after: int | None = None
    read: int = 0

    def hear(self) -> None:
        sent = self.world.transport.sent.get(self.sid, [])
        for name, args in sent[self.read :]:
            if name == "presence:subscribed":
                self.members = set()
                self.take([shown["user_id"] for shown in args[1]], args[2]["total"], args[2]["after"])
            elif name in ("presence:joining", "presence:leaving") and self.total is not None:
                joining = name == "presence:joining"
                self.total += 1 if joining else -1
                (self.members.add if joining else self.members.discard)(args[1]["user_id"])
        self.read = len(sent)

    def take(self, ids: list[int], total: int, after: int | None) -> None:
        self.members |= set(ids)
        self.total, self.after = total, after

    def ask(self) -> None:
        """For the next page, if there is one; a page that is refused may ask again."""
        self.hear()
        if self.after is None:
            return
        try:
            page = self.world.hub.members(self.sid, THREAD, self.after)
        except Unavailable as err:
            assert err.code == "members_unsettled"
            return
        self.hear()
        ids = [member.user_id for member in page.members]
        assert ids == sorted(ids)
        assert not ids or ids[0] > self.after
        self.take([member.user_id for member in page.members], page.total, page.after)

    def knows(self, true: set[int]) -> None:
        """Exactly these, once it has asked for all."""
        self.hear()
        for _ in range(len(true) + 1):
            self.ask()
        assert (self.members, self.total, self.after) == (true, len(true), None)


@pytest.fixture
def decided(world, monkeypatch) -> Decided:
    """The members, with short lists; what has to wait is not waited for, as if the time were over."""
    monkeypatch.setattr(presence, "LISTED", LISTED)
    monkeypatch.setattr(presence, "PLACED", 0.0)
    members = Decided(world)
    world.hub._presence._members = members
    for user_id in range(1, 40):
        world.facts.people[user_id] = UserFacts(user_id, f"User {user_id}", "super_admin")
    return members


def enter(world, sid: str, user_id: int) -> Page:
    world.connect(sid, user_id)
    world.hub.subscribe(sid, THREAD)
    return Page(world, sid)


def test_who_came_and_went_behind_the_reading_counts_beyond_the_end_of_the_list(world, decided):
    for user_id in range(1, 9):
        decided.decide(Change.JOINING, user_id)
    decided.publish()

    def meanwhile() -> None:
        for user_id in (20, 21, 22):
            decided.decide(Change.JOINING, user_id)
        decided.decide(Change.LEAVING, 8)
        decided.publish()

    decided.meanwhile = meanwhile
    page = enter(world, "1.1", 30)
    page.hear()
    assert (page.members, page.total) == ({1, 2, 3}, 11)
    decided.meanwhile = lambda: None
    page.knows({1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 30})


def test_what_is_published_behind_the_list_but_was_decided_before_counts_once(world, decided):
    for user_id in range(1, 6):
        decided.decide(Change.JOINING, user_id)
    page = enter(world, "1.1", 30)
    decided.publish()
    page.knows({1, 2, 3, 4, 5, 30})


def test_a_list_that_could_not_wait_is_told_again_once_and_right(world, decided):
    for user_id in (1, 2):
        decided.decide(Change.JOINING, user_id)
    enter(world, "1.1", 30)
    decided.publish(2)
    lists = [args for name, args in world.transport.sent["1.1"] if name == "presence:subscribed"]
    assert [args[2]["total"] for args in lists] == [3]
    decided.decide(Change.LEAVING, 1)
    decided.publish()
    decided.decide(Change.JOINING, 3)
    decided.publish()
    lists = [args for name, args in world.transport.sent["1.1"] if name == "presence:subscribed"]
    assert [args[2]["total"] for args in lists] == [3, 3]
    Page(world, "1.1").knows({2, 3, 30})


def test_who_left_meanwhile_is_in_no_page_of_the_list(world, decided):
    for user_id in range(1, 9):
        decided.decide(Change.JOINING, user_id)
    decided.publish()
    page = enter(world, "1.1", 30)
    decided.publish()

    def meanwhile() -> None:
        decided.decide(Change.LEAVING, 5)
        decided.decide(Change.JOINING, 4_000)
        decided.publish()

    page.hear()
    decided.meanwhile = meanwhile
    page.ask()
    decided.meanwhile = lambda: None
    page.knows({1, 2, 3, 4, 6, 7, 8, 30, 4_000})


def test_what_a_dead_worker_published_and_did_not_tell_is_told_once(world, decided):
    page = enter(world, "1.1", 30)
    for user_id in (1, 2):
        decided.decide(Change.JOINING, user_id)
    decided.publish(forget=False)
    for number in range(2_000):  # so many that the broker does not know them as copies any more
        world.broker.publish(news(number))
    decided.publish()
    decided.decide(Change.JOINING, 3)
    decided.publish()
    page.knows({1, 2, 3, 30})
    assert len([name for name, _ in world.transport.sent["1.1"] if name == "presence:joining"]) == 3


def test_a_number_that_a_stranger_made_up_silences_nobody(world, decided):
    page = enter(world, "1.1", 30)
    decided.publish()
    forged = Announcement(Change.LEAVING, CANONICAL, Member(99), id=Serial("epoch", 10**15 - 1).id())
    world.broker.publish(forged.publication())
    decided.decide(Change.JOINING, 1)
    decided.publish()
    page.hear()
    assert page.members == {1, 30}


def test_a_second_tab_is_not_told_again_of_whom_its_list_has(world, decided):
    page = enter(world, "1.1", 30)
    decided.decide(Change.JOINING, 1)
    decided.meanwhile = decided.publish
    second = enter(world, "1.2", 30)
    assert [name for name, _ in world.transport.sent["1.2"] if name.startswith("presence:")][-1:] == [
        "presence:subscribed"
    ]
    for each in (page, second):
        each.knows({1, 30})


@pytest.mark.parametrize("seed", range(150))
def test_any_interleaving_sums_up_to_the_true_members(world, decided, seed):
    random = Random(seed)
    pages: list[Page] = []
    others = range(1, 16)

    def happen() -> None:
        """A few steps of other workers, of whoever publishes, and of pages that are here."""
        for _ in range(random.randrange(5)):
            step, user_id = random.random(), random.choice(others)
            if step < 0.5:
                change = Change.LEAVING if user_id in decided.true else Change.JOINING
                decided.decide(change, user_id)
            elif step < 0.85:
                decided.publish(random.randrange(4), forget=random.random() < 0.9)
            else:
                world.broker.publish(news(seed))

    decided.meanwhile = happen
    for number in range(12):
        happen()
        pages.append(enter(world, f"1.{number}", 20 + number % 9))
        happen()
        if random.random() < 0.5:
            random.choice(pages).ask()
        if random.random() < 0.2:
            world.hub.subscribe(random.choice(pages).sid, THREAD)
        if random.random() < 0.2:
            gone = pages.pop(random.randrange(len(pages)))
            world.hub.unsubscribe(gone.sid, THREAD)
            pages = [page for page in pages if world.hub.connections.get(page.sid).user_id in decided.true]
    decided.meanwhile = lambda: None
    decided.publish()
    for page in pages:
        page.knows(decided.true)


def news(number: int) -> Publication:
    return Publication((parse_channel(THREAD),), "news", payload_of(number))
