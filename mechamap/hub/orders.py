"""A publisher's orders to let all connections of a user into a channel, or take them out of it.

The publisher is trusted and the rule holds all the same: it would take the channel away at the next re-check.
Both wait for the broker, so they are carried out beside its delivery, those of one user in their order.
"""

import logging
from collections import deque
from collections.abc import Callable

from mechamap.domain.channels import Channel, parse_channel_of_site
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import Forbidden, InvalidChannel, RealtimeError
from mechamap.domain.moments import now_iso

from .connection import Connection
from .hub import Hub
from .protocol import Transport

log = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Orders that one worker has not carried out yet."""

Spawn = Callable[..., object]
"""Runs a function with its arguments beside everything else: ``gevent.spawn``."""
Later = Callable[..., object]
"""The same after so many seconds: ``gevent.spawn_later``."""


class Orders:
    """One worker's part: its own connections of the user."""

    def __init__(self, hub: Hub, transport: Transport, spawn: Spawn, later: Later, stale: float) -> None:
        """``stale``: seconds for which facts may be older than an order that rests on newer ones."""
        self._hub = hub
        self._transport = transport
        self._spawn = spawn
        self._later = later
        self._stale = stale
        self._waiting: dict[int, deque[tuple[Command, bool]]] = {}
        self._count = 0

    def take(self, command: Command) -> None:
        """Carry it out soon. Does not yield."""
        self._put(command, False)

    def _put(self, command: Command, again: bool) -> None:
        user_id = command.user_id
        if user_id is None or not self._hub.connections.of_user(user_id):
            return
        if self._count >= MOST_WAITING:
            log.warning("order_dropped", extra={"user": user_id, "code": "too_many_orders"})
            return
        self._count += 1
        waiting = self._waiting.get(user_id)
        if waiting is not None:
            waiting.append((command, again))
            return
        self._waiting[user_id] = deque([(command, again)])
        self._spawn(self._work, user_id)

    def _work(self, user_id: int) -> None:
        waiting = self._waiting[user_id]
        while waiting:
            command, again = waiting.popleft()
            self._count -= 1
            try:
                self._carry_out(command, again)
            except Exception:
                log.exception("order_failed", extra={"user": user_id, "command": command.id})
        del self._waiting[user_id]

    def _carry_out(self, command: Command, again: bool) -> None:
        try:
            channel = parse_channel_of_site(command.subject)
        except InvalidChannel as err:  # of a newer version
            log.warning("order_refused", extra={"command": command.id, "code": err.code})
            return
        refused = False
        for connection in self._hub.connections.of_user(command.user_id or 0):
            try:
                if command.action is Action.JOIN:
                    self._join(connection, channel)
                else:
                    self._leave(connection, channel)
            except RealtimeError as err:
                refused = refused or isinstance(err, Forbidden)
                about = {"user": connection.user_id, "sid": connection.sid, "channel": channel.name}
                log.warning("order_refused", extra={**about, "code": err.code, "why": err.message})
        if refused and not again:
            # what it rests on may have been stored a moment ago, and a look at it kept from before
            self._later(self._stale, self._put, command, True)

    def _join(self, connection: Connection, channel: Channel) -> None:
        if connection.has(channel):
            return
        done = self._hub.subscribe(connection.sid, channel.name)
        place = {"epoch": done.position.epoch, "offset": done.position.offset}
        told = {"channel": channel.name, "status": "joined", "timestamp": now_iso(), **place}
        self._transport.send(connection.sid, "subscribed", told)

    def _leave(self, connection: Connection, channel: Channel) -> None:
        joined = connection.channels.get(channel.canonical)
        if joined is None:
            return
        self._hub.unsubscribe(connection.sid, joined.name)
        told = {"channel": joined.name, "timestamp": now_iso()}
        self._transport.send(connection.sid, "unsubscribed", told)
