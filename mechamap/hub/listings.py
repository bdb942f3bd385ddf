"""Lists of members on their way to connections: each gets its place in the order of events.

A list has what was announced up to a certain number. So it waits until its worker has heard that one; what
was announced behind it is applied; and it is sent in the same moment, so that whatever comes later is news to
it. If the announcement is long in coming (a worker died while it published), the list is sent all the same,
and the announcements that it has will come once more. So it is ``owed``, and sent again behind them.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from itertools import islice

from mechamap.domain.errors import Unavailable
from mechamap.domain.history import Position
from mechamap.domain.members import EVENTS, AsOf, Change, Listed, Member, MemberPage, Serial, serial_of
from mechamap.domain.publication import Publication

MOST_NOTED = 10_000
"""Announcements of a channel between a list's reading and its sending."""
AGAIN = 10_000
"""How far behind the last one an announcement may be that comes again. Others may write to Redis: a number
far too high must not silence what follows."""

NOTHING = Listed(MemberPage((), 0))


@dataclass(slots=True, eq=False)
class Listing:
    """A list on its way. ``begun``: how many announcements the channel had noted before."""

    canonical: str
    key: Hashable
    name: str
    after: int
    begun: int
    listed: Listed = NOTHING


@dataclass(slots=True, eq=False)
class _Course:
    """What was announced of a channel while lists of it are on their way.

    Attributes:
        listings: the oldest first.
        owed: those of them that were sent, but not in their place.
        noted, past: the announcements, and how many are not kept any more.
        awaited: what tells those that wait to be in their place; most wait for the same.
    """

    listings: dict[Hashable, Listing] = field(default_factory=dict)
    owed: dict[Hashable, Listing] = field(default_factory=dict)
    noted: deque[tuple[Serial, Change, Member]] = field(default_factory=deque)
    past: int = 0
    awaited: dict[AsOf, threading.Event] = field(default_factory=dict)

    def note(self, serial: Serial, change: Change, member: Member) -> None:
        self.noted.append((serial, change, member))
        if len(self.noted) > MOST_NOTED:
            self.noted.popleft()
            self.past += 1

    def trim(self) -> None:
        """Drop what no list needs."""
        oldest = next(iter(self.listings.values())).begun
        while self.past < oldest:
            self.noted.popleft()
            self.past += 1

    def since(self, listing: Listing) -> list[tuple[Change, Member]]:
        """What came behind that which the list has.

        Raises:
            Unavailable: it cannot be told.
        """
        last = listing.listed.as_of.last
        found: list[tuple[Change, Member]] = []
        most = self.past + len(self.noted) - listing.begun
        for serial, change, member in islice(reversed(self.noted), most):
            if serial.had_by(last):
                return found[::-1]
            if last is not None and serial.epoch != last.epoch:
                raise _overrun("The members were lost and found again.")
            found.append((change, member))
        if self.past > listing.begun:
            raise _overrun("Too much happened in the channel.")
        return found[::-1]


class Listings:
    """Those of one worker. A channel without any costs a look into a dictionary."""

    def __init__(self, position: Callable[[str], Position]) -> None:
        """``position``: where this worker is in a channel, as the broker has it."""
        self._position = position
        self._courses: dict[str, _Course] = {}
        self._heard: Serial | None = None
        self._epoch: str | None = None

    def begin(self, canonical: str, key: Hashable, name: str, after: int = 0) -> Listing:
        """Before the list is read, of the members behind ``after``, for whoever calls the channel by this
        name. Another one with this key is given up."""
        course = self._courses.setdefault(canonical, _Course())
        course.listings.pop(key, None)
        course.owed.pop(key, None)
        listing = Listing(canonical, key, name, after, course.past + len(course.noted))
        course.listings[key] = listing
        return listing

    def settle(self, listing: Listing, listed: Listed, seconds: float) -> bool:
        """The list was read: wait until it can be sent in its place; False if that took too long."""
        listing.listed = listed
        course = self._courses.get(listing.canonical)
        if course is None or self._is_placed(listing.canonical, listed.as_of):
            return True
        course.awaited.setdefault(listed.as_of, threading.Event()).wait(seconds)
        return self._is_placed(listing.canonical, listed.as_of)

    def current(self, listing: Listing) -> MemberPage:
        """The page as it is to be sent now; it keeps its end.

        Raises:
            Unavailable: too much happened.
        """
        course = self._courses.get(listing.canonical)
        page = listing.listed.page
        if course is None or not (changes := course.since(listing)):
            return page
        members = {member.user_id: member for member in page.members}
        total, end = page.total, page.after
        for change, member in changes:
            total += 1 if change is Change.JOINING else -1
            if change is Change.LEAVING:
                members.pop(member.user_id, None)
            elif listing.after < member.user_id and (end is None or member.user_id <= end):
                members[member.user_id] = member
        return MemberPage(tuple(members[user_id] for user_id in sorted(members)), total, end)

    def sent(self, listing: Listing) -> None:
        """It is over if it was sent in its place, and owed otherwise."""
        course = self._courses.get(listing.canonical)
        if course is not None and not self._is_placed(listing.canonical, listing.listed.as_of):
            course.owed[listing.key] = listing
        else:
            self.end(listing.canonical, listing.key)

    def under_way(self, listing: Listing) -> bool:
        """Whether it was neither given up nor sent."""
        course = self._courses.get(listing.canonical)
        return course is not None and course.listings.get(listing.key) is listing

    def end(self, canonical: str, key: Hashable) -> None:
        """It was sent in its place, or nobody wants it any more."""
        course = self._courses.get(canonical)
        if course is None or course.listings.pop(key, None) is None:
            return
        course.owed.pop(key, None)
        if course.listings:
            course.trim()
        else:
            del self._courses[canonical]

    def heard(self, publication: Publication) -> bool:
        """Whether a publication that names members was heard before: by the number, for a worker that takes
        over from a dead one publishes under the same."""
        serial, last = self._serial(publication), self._heard
        if serial is None or last is None or self._epoch != publication.epoch:
            return False
        return serial.had_by(last) and last.number - serial.number < AGAIN

    def on_publication(self, publication: Publication) -> Collection[Listing]:
        """Part of every delivery, before it; must not yield. What is owed and can be sent behind it."""
        serial = self._serial(publication)
        if serial is not None:
            self._heard, self._epoch = serial, publication.epoch
        owed: list[Listing] = []
        if not self._courses:
            return owed
        for canonical in publication.rooms:
            course = self._courses.get(canonical)
            if course is None:
                continue
            if serial is not None and (change := _change(publication)) is not None:
                course.note(serial, *change)
            for as_of in [each for each in course.awaited if self._is_placed(canonical, each)]:
                course.awaited.pop(as_of).set()
            for listing in course.owed.values():
                if self._is_placed(canonical, listing.listed.as_of):
                    owed.append(listing)
        return owed

    def _serial(self, publication: Publication) -> Serial | None:
        return serial_of(publication.id) if publication.event in EVENTS else None

    def _is_placed(self, canonical: str, as_of: AsOf) -> bool:
        if as_of.last is None or as_of.last.had_by(self._heard):
            return True
        if as_of.queued:
            return False
        if as_of.newest is None:
            return True
        here = self._position(canonical)
        return here.epoch == as_of.newest.epoch and here.offset >= as_of.newest.offset


def _overrun(text: str) -> Unavailable:
    return Unavailable(text, code="members_overrun", retry_after=1)


def _change(publication: Publication) -> tuple[Change, Member] | None:
    try:
        _, shown = json.loads(publication.payload)
        return Change(publication.event), Member(shown["user_id"], shown["user_info"]["name"])
    except (ValueError, TypeError, KeyError):  # Redis is a trust boundary
        return None
