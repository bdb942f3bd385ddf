"""Presence: browsers in a channel called ``presence-…`` are its members, and are told who the others are.

The list has its place in the order of events. It is read after the browser hears the channel; what is
announced between the reading and the sending is applied to it; and if the browser's own joining is announced,
the list waits for that to come by, because whatever was decided before came by then as well.
"""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.errors import Forbidden, Unavailable
from mechamap.domain.members import EVENTS, Announcement, Change, Member, MemberPage, member_of
from mechamap.domain.publication import Publication
from mechamap.presence.protocol import Members

from .connection import Connection
from .protocol import Observer, Transport
from .tap import Kind, Tap

log = logging.getLogger(__name__)

LISTED = 200
"""Members told at once, about 15 KB; browsers ask for more."""
PLACED = 1.0
"""Seconds the list waits for the own joining; it comes within milliseconds while the broker is well."""
MOST_NOTED = 10_000
"""Changes between a list's reading and its sending."""

SUBSCRIBED = "presence:subscribed"


@dataclass(slots=True, eq=False)
class Listing:
    """A list on its way to a connection, and what was announced meanwhile."""

    user_id: int
    page: MemberPage = field(default_factory=lambda: MemberPage((), 0))
    changes: list[tuple[Change, Member]] = field(default_factory=list)
    placed: threading.Event = field(default_factory=threading.Event)

    def note(self, change: tuple[Change, Member]) -> None:
        if len(self.changes) <= MOST_NOTED:
            self.changes.append(change)
        if change[0] is Change.JOINING and change[1].user_id == self.user_id:
            self.placed.set()

    def current(self) -> MemberPage:
        """The page with the changes applied; it keeps its end.

        Raises:
            Unavailable: there were too many.
        """
        if len(self.changes) > MOST_NOTED:
            raise Unavailable("Too much happened in the channel.", code="members_overrun", retry_after=1)
        members = {member.user_id: member for member in self.page.members}
        total, end = self.page.total, self.page.after
        for change, member in self.changes:
            if change is Change.LEAVING:
                members.pop(member.user_id, None)
            elif end is None or member.user_id <= end:
                members[member.user_id] = member
        if end is None:
            total = len(members)
        return MemberPage(tuple(members[user_id] for user_id in sorted(members)), total, end)


class Presence:
    """One worker's part in it. A connection without such channels costs a look into a dictionary."""

    def __init__(
        self,
        members: Members,
        broker: Broker,
        transport: Transport,
        observer: Observer | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._members = members
        self._observer = observer
        self._tap = tap or Tap()
        self._broker = broker
        self._transport = transport
        # by socket id: the canonical names of the channels it is a member of
        self._joined: dict[str, tuple[str, ...]] = {}
        # by canonical name, then by socket id
        self._listings: dict[str, dict[str, Listing]] = {}

    def enter(self, connection: Connection, channel: Channel) -> Listing | None:
        """Make the connection, which hears the channel already, a member; the list to ``tell`` it. None for
        channels without members.

        Raises:
            BrokerUnavailable: it is none.
        """
        if not channel.presence:
            return None
        listing = self._begin(connection, channel)
        self._joined[connection.sid] = (*self._joined.get(connection.sid, ()), channel.canonical)
        try:
            member = member_of(connection.user_id, connection.name)
            joined = self._members.join(channel.canonical, member, connection.sid, most=LISTED)
            if joined.first:
                listing.placed.wait(PLACED)
        except BaseException:
            self.leave(connection, channel.canonical)
            raise
        listing.page = joined.page
        return listing

    def tell(self, connection: Connection, channel: Channel, listing: Listing | None) -> None:
        """Send the list, unless the connection left meanwhile. Does not wait.

        Raises:
            Unavailable: it cannot be told.
        """
        if listing is None or self._end(connection, channel.canonical) is not listing:
            return
        shown = listing.current().shown()
        members = shown.pop("members")  # where Laravel Echo looks for them; it passes over the rest
        self._transport.send(connection.sid, SUBSCRIBED, channel.name, members, shown)

    def tell_again(self, connection: Connection, channel: Channel) -> None:
        """Send a member the list once more.

        Raises:
            Unavailable: it cannot be told.
        """
        if not channel.presence:
            return
        listing = self._begin(connection, channel)
        try:
            listing.page = self._members.page(channel.canonical, 0, LISTED)
        except BaseException:
            self._end(connection, channel.canonical)
            raise
        self.tell(connection, channel, listing)

    def page(self, connection: Connection, channel: Channel, after: int) -> MemberPage:
        """More of the list, for a member.

        Raises:
            Forbidden: the connection is none.
            BrokerUnavailable
        """
        if channel.canonical not in self._joined.get(connection.sid, ()):
            raise Forbidden("Only members of a channel see its members.", code="not_a_member")
        return self._members.page(channel.canonical, after, LISTED)

    def reenter(self, connection: Connection) -> None:
        """Make a connection that got its channels back a member of those again. It has the list, and will get
        what was announced since.

        Raises:
            BrokerUnavailable
        """
        member = member_of(connection.user_id, connection.name)
        for channel in connection.channels.values():
            if channel.presence:
                joined = self._joined.get(connection.sid, ())
                self._joined[connection.sid] = (*joined, channel.canonical)
                self._members.join(channel.canonical, member, connection.sid, most=0, returning=True)

    def leave(self, connection: Connection, canonical: str) -> None:
        """The connection left the channel on purpose."""
        joined = self._joined.get(connection.sid)
        if joined is None or canonical not in joined:
            return
        self._end(connection, canonical)
        rest = tuple(name for name in joined if name != canonical)
        if rest:
            self._joined[connection.sid] = rest
        else:
            del self._joined[connection.sid]
        self._members.leave(canonical, connection.user_id, connection.sid, at_once=True)

    def ended(self, connection: Connection) -> None:
        """The connection is over; its user may come back within the grace period."""
        for canonical in self._joined.pop(connection.sid, ()):
            self._end(connection, canonical)
            self._members.leave(canonical, connection.user_id, connection.sid, at_once=False)

    def on_publication(self, publication: Publication) -> None:
        """Part of every delivery; must not yield."""
        if self._listings and publication.event in EVENTS:
            try:
                _, shown = json.loads(publication.payload)
                member = Member(shown["user_id"], shown["user_info"]["name"])
            except (ValueError, TypeError, KeyError):  # Redis is a trust boundary
                return
            change = Change(publication.event), member
            for canonical in publication.rooms:
                for listing in self._listings.get(canonical, {}).values():
                    listing.note(change)

    def announce(self, announcements: Sequence[Announcement]) -> int:
        """Publish what happened; how many of the first need not be tried again."""
        publications = [each.publication() for each in announcements]
        published = self._broker.publish_many(publications)
        if self._tap.on:
            for publication, receipt in zip(publications, published.receipts, strict=False):
                self._tap.published(Kind.EVENT, publication, receipt, code="accepted")
        done = len(published.receipts)
        if published.failure is not None:
            log.warning("presence_not_announced", extra={"code": published.failure.code, "announced": done})
            done += not published.failure.retry
        return done if self._observer is None else self._observer.announced(announcements[:done])

    def _begin(self, connection: Connection, channel: Channel) -> Listing:
        listing = Listing(connection.user_id)
        self._listings.setdefault(channel.canonical, {})[connection.sid] = listing
        return listing

    def _end(self, connection: Connection, canonical: str) -> Listing | None:
        listings = self._listings.get(canonical)
        if listings is None:
            return None
        listing = listings.pop(connection.sid, None)
        if not listings:
            del self._listings[canonical]
        return listing
