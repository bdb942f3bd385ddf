"""Stand-ins for what the hub talks to, obeying the same protocols."""

import json

from mechamap.domain.errors import DirectoryUnavailable, NotFound
from mechamap.domain.facts import (
    ConversationFacts,
    Fact,
    ForumFacts,
    MembershipFacts,
    SellerFacts,
    ShowcaseFacts,
    ThreadFacts,
)
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.domain.members import EVENTS
from mechamap.hub.protocol import Link
from mechamap.store.protocol import MarkedRead


class RecordingTransport:
    """Keeps rooms as the engine does and remembers what each connection was sent."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = {}
        self.spelled: dict[str, dict[str, str]] = {}
        self.sent: dict[str, list[tuple[str, tuple]]] = {}
        self.closed: dict[str, str] = {}
        self.alive: dict[str, str] = {}
        self.offsets: dict[str, list[int]] = {}
        self.greeting = lambda: None

    def deliver(self, publication, having=()):
        rooms = (self.rooms.get(room, set()) for room in publication.rooms)
        members = set().union(*rooms) - {publication.except_id, *having}
        for sid in members:
            self.replay(sid, publication)
        copies = 0
        for room in publication.rooms:
            for sid, spelled in sorted(self.spelled.get(room, {}).items()):
                if sid not in {publication.except_id, *having}:
                    self.replay(sid, publication, (spelled,))
                    copies += 1
        return len(members) + copies

    def replay(self, sid, publication, copies=(None,)):
        data = json.loads(publication.payload)
        args = tuple(data) if publication.event in EVENTS else (data,)
        for spelled in copies:
            self.send(sid, publication.event, *(args if spelled is None else (spelled, args[-1])))
            self.offsets.setdefault(sid, []).append(publication.offset)

    def join(self, sid, room, spelled=None):
        if spelled is None:
            self.rooms.setdefault(room, set()).add(sid)
        else:
            self.spelled.setdefault(room, {})[sid] = spelled

    def leave(self, sid, room, spelled=None):
        if spelled is None:
            self.rooms.get(room, set()).discard(sid)
        else:
            assert self.spelled.get(room, {}).pop(sid, spelled) == spelled

    def send(self, sid, event, *args):
        self.sent.setdefault(sid, []).append((event, args))

    def close(self, sid, reason):
        self.closed[sid] = reason
        self.alive.pop(sid, None)
        for members in self.rooms.values():
            members.discard(sid)

    def links(self):
        return [Link(sid, transport) for sid, transport in self.alive.items()]

    def events(self, sid, event):
        return [args[0] for name, args in self.sent.get(sid, []) if name == event]


class FactsByHand:
    """A directory whose facts a test sets; ``away`` makes it unavailable."""

    def __init__(self) -> None:
        self.people: dict[int, UserFacts] = {}
        self.threads: dict[int, ThreadFacts] = {}
        self.forums: dict[int, ForumFacts] = {}
        self.conversations: dict[int, ConversationFacts] = {}
        self.memberships: dict[tuple[int, int], MembershipFacts] = {}
        self.showcases: dict[int, ShowcaseFacts] = {}
        self.sellers: dict[int, SellerFacts] = {}
        self.away = False
        self.asked: list[int] = []
        """How many places each question was about."""

    def _answer(self, value):
        if self.away:
            raise DirectoryUnavailable("The database is away.")
        return value

    def user(self, user_id):
        return self._answer(self.people.get(user_id))

    def users(self, user_ids):
        return self._answer({i: self.people[i] for i in user_ids if i in self.people})

    def find(self, fact: Fact, key):
        rows = {
            Fact.THREAD: self.threads,
            Fact.FORUM: self.forums,
            Fact.CONVERSATION: self.conversations,
            Fact.MEMBERSHIP: self.memberships,
            Fact.SHOWCASE: self.showcases,
            Fact.SELLER: self.sellers,
        }
        self.asked.append(1)
        return self._answer(rows[fact].get(key))

    def gather(self, places):
        found = {place: row for place in places if (row := self.find(*place)) is not None}
        self.asked[len(self.asked) - len(places) :] = [len(places)]
        return found


class UnreadByHand:
    """Notifications: (owner, id) → read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int | str], bool] = {}

    def mark_read(self, user_id, ids):
        own = tuple(i for i in ids if (user_id, i) in self.rows)
        if not own:
            raise NotFound("No such notification.", code="notification_not_found")
        for i in own:
            self.rows[(user_id, i)] = True
        unread = sum(1 for (owner, _), read in self.rows.items() if owner == user_id and not read)
        return MarkedRead(own, unread, "2026-11-23T03:12:45.000Z")


class CountingMeter:
    """Remembers every count as a tuple."""

    def __init__(self) -> None:
        self.counts: list[tuple] = []

    def connection(self, code):
        self.counts.append(("connection", code))

    def disconnection(self, code):
        self.counts.append(("disconnection", code))

    def received(self, event):
        self.counts.append(("received", event))

    def subscription(self, kind, code):
        self.counts.append(("subscription", kind, code))

    def publication(self, code, count=1):
        self.counts.extend([("publication", code)] * count)

    def recovery(self, outcome):
        self.counts.append(("recovery", outcome))

    def gap(self, reason, channels):
        self.counts.append(("gap", reason, channels))

    def delivery(self, connections, seconds):
        self.counts.append(("delivery", connections))


def identity(user_id: int = 7, role: str | None = "member", expires_at: float | None = None) -> Identity:
    return Identity(user_id, role, f"User {user_id}", TokenKind.JWT, expires_at, "0" * 16)
