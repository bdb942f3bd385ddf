"""Re-judging of live connections: token ends, bans, lost roles and lost memberships act on who is already
connected."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from mechamap.domain.channels import Channel
from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.facts import Place
from mechamap.domain.identity import UserFacts
from mechamap.store.protocol import Directory

from .access import Judge
from .connection import Connection
from .hub import Hub
from .protocol import Links

log = logging.getLogger(__name__)

CHUNK = 500
"""Users asked for in one query; the database is let breathe between chunks."""
GRACE = 10.0
"""Seconds: a connection being accepted is in the books a moment before the transport lists it."""


class Rechecks:
    """Walks this worker's connections. A directory that is away changes nothing: live connections keep what
    they had.

    ``blocked`` tells until when (Unix seconds) which users are kept out, and never raises: a block acts at
    once by a command, and here where that did not reach this worker.
    """

    def __init__(
        self,
        hub: Hub,
        judge: Judge,
        directory: Directory,
        links: Links,
        *,
        blocked: Callable[[], Mapping[int, float]] = dict,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._judge = judge
        self._directory = directory
        self._links = links
        self._blocked = blocked
        self._sleep = sleep
        self._clock = clock

    def end_expired(self) -> int:
        """Close connections whose token has ended; how many."""
        ended = self._hub.connections.expired(self._clock())
        for connection in ended:
            self._hub.close(
                connection, "token_expired", "The token has expired; connect again with a fresh one."
            )
        return len(ended)

    def everyone(self) -> None:
        """Judge every connection again."""
        everyone = list(self._hub.connections)
        for start in range(0, len(everyone), CHUNK):
            chunk = everyone[start : start + CHUNK]
            try:
                self._judge_again(chunk)
            except DirectoryUnavailable as err:
                log.warning("recheck_postponed", extra={"code": err.code})
                return
            self._sleep(0.01)

    def user(self, user_id: int) -> None:
        """Judge one user's connections again, now."""
        try:
            self._judge_again(self._hub.connections.of_user(user_id))
        except DirectoryUnavailable as err:
            log.warning("recheck_postponed", extra={"user": user_id, "code": err.code})

    def _judge_again(self, some: list[Connection]) -> None:
        """Judge some connections by fresh facts, which cost a few queries however many they are."""
        users = self._directory.users({connection.user_id for connection in some})
        # what they join meanwhile was judged a moment ago, and is not among these facts
        had = [(connection, tuple(connection.channels.values())) for connection in some]
        places = self._judge.fetch(
            (connection.user_id, channel) for connection, channels in had for channel in channels
        )
        blocked, now = self._blocked(), self._clock()
        for connection, channels in had:
            if now < blocked.get(connection.user_id, 0.0):
                self._hub.close(connection, "user_blocked", "An operator blocked this account for a time.")
            elif self._person(connection, users.get(connection.user_id)):
                self._channels(connection, channels, places)

    def reconcile(self) -> None:
        """Make the books agree with the transport: note upgrades, and forget (saying so) a connection it lost
        without a word."""
        links = {link.sid: link.transport for link in self._links.links()}
        now = self._clock()
        for connection in self._hub.connections:
            transport = links.get(connection.sid)
            if transport is not None:
                self._hub.note_transport(connection, transport)
            elif now - connection.connected_at > GRACE:
                log.error("ghost_connection", extra={"user": connection.user_id, "sid": connection.sid})
                self._hub.disconnect(connection.sid, "ghost")

    def _person(self, connection: Connection, facts: UserFacts | None) -> bool:
        """Whether the connection stays."""
        if self._hub.connections.get(connection.sid) is not connection:
            return False
        if facts is None and connection.facts is not None:
            self._hub.close(connection, "user_unknown", "The user no longer exists.")
        elif facts is not None and facts.banned:
            self._hub.close(connection, "user_banned", "The user is banned.")
        elif facts is not None and not facts.active:
            self._hub.close(connection, "user_inactive", "The user is not active.")
        else:
            if facts != connection.facts:
                connection.facts = facts
            return True
        return False

    def _channels(
        self, connection: Connection, channels: Iterable[Channel], places: Mapping[Place, object]
    ) -> None:
        identity = connection.identity
        for channel in channels:
            decision = self._judge.decide_by(places, identity, channel, connection.facts)
            if not decision.allowed and connection.has(channel):
                self._hub.revoke(connection, channel, decision)
