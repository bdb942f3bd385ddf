"""Presence: browsers in a channel called ``presence-…`` are its members, and are told who the others are.

A list is read after the browser hears the channel, and has its place in the order of events (``listings``):
it and the joinings and leavings behind it are the members, and sum up to their number.
"""

import logging
from collections.abc import Collection, Sequence

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.errors import Forbidden, Unavailable
from mechamap.domain.members import Announcement, MemberPage, member_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import offset_text
from mechamap.presence.protocol import Members

from .connection import Connection
from .listings import Listing, Listings
from .protocol import Observer, Transport
from .tap import Kind, Tap

log = logging.getLogger(__name__)

LISTED = 200
"""Members told at once, about 15 KB; browsers ask for more."""
PLACED = 1.0
"""Seconds a list waits until what it has was heard: milliseconds while the broker is well."""

SUBSCRIBED = "presence:subscribed"


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
        self._listings = Listings(broker.position)

    def enter(self, connection: Connection, channel: Channel) -> Listing | None:
        """Make the connection, which hears the channel already, a member; the list to ``tell`` it. None for
        channels without members.

        Raises:
            BrokerUnavailable: it is none.
        """
        if not channel.presence:
            return None
        listing = self._listings.begin(channel.canonical, connection.sid, channel.name)
        self._joined[connection.sid] = (*self._joined.get(connection.sid, ()), channel.canonical)
        try:
            member = member_of(connection.user_id, connection.name)
            joined = self._members.join(channel.canonical, member, connection.sid, most=LISTED)
            self._listings.settle(listing, joined.listed, PLACED)
        except BaseException:
            self.leave(connection, channel.canonical)
            raise
        return listing

    def tell(self, connection: Connection, channel: Channel, listing: Listing | None) -> None:
        """Send the list, unless the connection left meanwhile. Does not wait.

        Raises:
            Unavailable: it cannot be told.
        """
        if listing is not None and self._listings.under_way(listing):
            self._send(connection.sid, listing)

    def tell_again(self, connection: Connection, channel: Channel) -> None:
        """Send a member the list once more.

        Raises:
            Unavailable: it cannot be told.
        """
        if not channel.presence:
            return
        listing = self._listings.begin(channel.canonical, connection.sid, channel.name)
        try:
            listed = self._members.listed(channel.canonical, 0, LISTED)
            self._listings.settle(listing, listed, PLACED)
        except BaseException:
            self._listings.end(channel.canonical, connection.sid)
            raise
        self.tell(connection, channel, listing)

    def page(self, connection: Connection, channel: Channel, after: int) -> MemberPage:
        """More of the list, for a member. The caller must not yield before it has told it.

        Raises:
            Forbidden: the connection is none.
            Unavailable: it cannot be told.
        """
        canonical, key = channel.canonical, object()
        self._check_member(connection, canonical)
        listing = self._listings.begin(canonical, key, channel.name, after)
        try:
            listed = self._members.listed(canonical, after, LISTED)
            if not self._listings.settle(listing, listed, PLACED):
                raise Unavailable(
                    "Some of it is still being announced.", code="members_unsettled", retry_after=1
                )
            self._check_member(connection, canonical)
            return self._listings.current(listing)
        finally:
            self._listings.end(canonical, key)

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
        self._listings.end(canonical, connection.sid)
        rest = tuple(name for name in joined if name != canonical)
        if rest:
            self._joined[connection.sid] = rest
        else:
            del self._joined[connection.sid]
        self._members.leave(canonical, connection.user_id, connection.sid, at_once=True)

    def ended(self, connection: Connection) -> None:
        """The connection is over; its user may come back within the grace period."""
        for canonical in self._joined.pop(connection.sid, ()):
            self._listings.end(canonical, connection.sid)
            self._members.leave(canonical, connection.user_id, connection.sid, at_once=False)

    def heard(self, publication: Publication) -> bool:
        """Whether it is an announcement that was delivered before."""
        return self._listings.heard(publication)

    def on_publication(self, publication: Publication) -> Collection[Listing]:
        """Part of every delivery; must not yield. What is ``tell_owed`` behind it."""
        return self._listings.on_publication(publication)

    def tell_owed(self, owed: Collection[Listing]) -> None:
        """Send lists that could not be sent in their place; must not yield."""
        for listing in owed:
            try:
                self._send(str(listing.key), listing)
            except Unavailable as err:
                log.warning("members_not_told", extra={"sid": listing.key, "code": err.code})

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

    def _send(self, sid: str, listing: Listing) -> None:
        try:
            shown = self._listings.current(listing).shown()
        except Unavailable:
            self._listings.end(listing.canonical, sid)
            raise
        members = shown.pop("members")  # where Laravel Echo looks for them; it passes over the rest
        # Who is cut off behind the list must not be given again what it has: this is where the client is.
        here = self._broker.position("")
        behind = (offset_text(here.epoch, here.offset),) if here.epoch else ()
        self._transport.send(sid, SUBSCRIBED, listing.name, members, shown, *behind)
        self._listings.sent(listing)

    def _check_member(self, connection: Connection, canonical: str) -> None:
        if canonical not in self._joined.get(connection.sid, ()):
            raise Forbidden("Only members of a channel see its members.", code="not_a_member")
