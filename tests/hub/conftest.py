"""One worker's hub on the in-process broker and roster, with a transport and facts that tests can see and
set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mechamap.broker.memory import MemoryBroker
from mechamap.broker.turns import LocalTurns
from mechamap.domain.channels import parser
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.facts import ForumFacts, ThreadFacts
from mechamap.domain.identity import UserFacts
from mechamap.domain.recovery import Returning
from mechamap.domain.rules import Policy
from mechamap.hub.access import Judge
from mechamap.hub.arrivals import Admission
from mechamap.hub.connection import Connection
from mechamap.hub.hub import Hub
from mechamap.hub.presence import Presence
from mechamap.hub.protocol import ChannelAuthorizer, Observer
from mechamap.hub.reading import Reading
from mechamap.hub.rechecks import Rechecks
from mechamap.hub.recovery import Recovery
from mechamap.presence.memory import MemoryRoster
from mechamap.presence.memory_members import MemoryMembers
from mechamap.recovery.memory import MemorySessions

from .fakes import CountingMeter, FactsByHand, RecordingTransport, UnreadByHand, identity


@dataclass
class World:
    """A hub and everything around it."""

    transport: RecordingTransport = field(default_factory=RecordingTransport)
    facts: FactsByHand = field(default_factory=FactsByHand)
    unread: UnreadByHand = field(default_factory=UnreadByHand)
    meter: CountingMeter = field(default_factory=CountingMeter)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    roster: MemoryRoster = field(default_factory=lambda: MemoryRoster("w1"))
    now: float = 1_000_000.0
    policy: Policy = field(default_factory=Policy)
    site: ChannelAuthorizer | None = None
    observer: Observer | None = None
    max_connections: int = 20
    sessions: MemorySessions = field(init=False)
    members: MemoryMembers = field(init=False)

    def __post_init__(self) -> None:
        judge = Judge(self.facts, self.policy, self.site)
        self.sessions = MemorySessions(120.0, clock=lambda: self.now)
        self.members = MemoryMembers(5.0, clock=lambda: self.now)
        presence = Presence(self.members, self.broker, self.transport, self.observer)
        self.hub = Hub(
            worker_id="w1",
            transport=self.transport,
            broker=self.broker,
            roster=self.roster,
            judge=judge,
            meter=self.meter,
            recovery=Recovery(self.sessions, self.broker, judge, answers_within=60.0, clock=lambda: self.now),
            presence=presence,
            max_connections=self.max_connections,
            max_subscriptions=4,
            parse=parser(site_channels=self.policy.site_channels),
            observer=self.observer,
            clock=lambda: self.now,
        )
        self.reading = Reading(
            self.hub.connections, self.broker, self.unread, LocalTurns(), lambda call: call()
        )
        self.rechecks = Rechecks(
            self.hub, judge, self.facts, self.transport, sleep=lambda seconds: None, clock=lambda: self.now
        )
        self.broker.start(self.hub.hearing)
        self.members.start(presence.announce)
        for user_id, role in ((1, "super_admin"), (4, "moderator"), (7, "member"), (8, "member")):
            self.facts.people[user_id] = UserFacts(user_id, f"User {user_id}", role)
        self.facts.forums = {1: ForumFacts(1), 2: ForumFacts(2, "senior_member")}
        self.facts.threads = {
            10: ThreadFacts(10, 1, author_id=8),
            11: ThreadFacts(11, 1, author_id=8, hidden=True),
        }

    def connect(self, sid: str, user_id: int = 7, **more) -> Connection:
        return self.arrive(sid, user_id, **more).connection

    def arrive(
        self,
        sid: str,
        user_id: int = 7,
        returning: Returning | None = None,
        dialect: Dialect = Dialect.PLAN,
        credentials: Credentials | None = None,
        **token,
    ) -> Admission:
        self.transport.alive[sid] = "websocket"
        admission = self.hub.connect(
            sid,
            identity(user_id, **token),
            self.facts.people.get(user_id),
            returning,
            credentials=credentials,
            transport="websocket",
            address="203.0.113.9",
            user_agent="test",
            dialect=dialect,
        )
        self.transport.greeting()
        self.hub.join(admission)
        return admission


@pytest.fixture
def build() -> Iterator[Callable[..., World]]:
    """Make a world of these parts; its threads end with the test."""
    made = []

    def make(**parts: Any) -> World:
        made.append(World(**parts))
        return made[-1]

    yield make
    for world in made:
        world.members.stop()


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    return build()
