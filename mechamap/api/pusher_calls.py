"""What apps may do by Pusher's HTTP API: trigger events, look at channels and their members, send users
away."""

from collections.abc import Callable, Iterable, Mapping

from mechamap.auth.protocol import BroadcastKey
from mechamap.domain.apps import App
from mechamap.domain.channels import PRESENCE, Channel, known_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import InvalidField, RealtimeError, Unavailable
from mechamap.domain.idempotency import read_key
from mechamap.domain.members import MAX_PAGE
from mechamap.edge.limits import RateLimits
from mechamap.hub.operations import Operations
from mechamap.hub.publishing import Publisher
from mechamap.ingest.pusher import PusherReader, Triggered, read_info

from .broadcasting import Answer, BatchInterrupted, read_json

MAX_COUNTED = 1000
"""Channels of a list whose members are counted: each is a question of its own."""
MAX_USERS = 100_000
"""Users in one answer: 1.5 MB."""
MAX_USER_ID = 2**63 - 1


class PusherCalls:
    """Every method raises ``RealtimeError`` for a refusal and returns the body of a 200."""

    def __init__(
        self, publisher: Publisher, operations: Operations, limits: RateLimits, reader: PusherReader
    ) -> None:
        self._publisher = publisher
        self._operations = operations
        self._limits = limits
        self._reader = reader

    def trigger(
        self, app: App, body: bytes, idempotency_key: str | None, reader: PusherReader | None = None
    ) -> Answer:
        """Publish one event to its channels."""
        [triggered] = self._read(
            app, lambda: [(reader or self._reader).event(read_json(body), app.origin, _name(idempotency_key))]
        )
        publication, info = triggered.publication, triggered.info
        receipt = self._publisher.publish(BroadcastKey(app.origin), publication)
        if not info:
            return {}
        return {"channels": self._counts(publication.channels, info, receipt.subscribers)}

    def trigger_batch(self, app: App, body: bytes, idempotency_key: str | None) -> Answer:
        """Publish events in their order. All are checked before the first is published."""
        batch = self._read(
            app, lambda: self._reader.batch(read_json(body), app.origin, _name(idempotency_key))
        )
        published = self._publisher.publish_many(
            BroadcastKey(app.origin), [triggered.publication for triggered in batch]
        )
        results: list[Answer] = []
        for triggered, receipt in zip(batch, published.receipts, strict=False):
            [channel] = triggered.publication.channels
            results.append(self._counts([channel], triggered.info, receipt.subscribers)[channel.name])
        if published.failure is not None:
            raise BatchInterrupted(published.failure, results) from published.failure
        return {"batch": results} if any(triggered.info for triggered in batch) else {}

    def channels(self, app: App, query: Mapping[str, str]) -> Answer:
        """Channels with subscribers, in the spelling of the list in docs/API.md."""
        self._limits.check_key(app.origin)
        prefix, info = query.get("filter_by_prefix", ""), read_info(query.get("info"))
        counted = "user_count" in info
        if counted and not prefix.startswith(PRESENCE):
            raise _no_users(f"unless filter_by_prefix begins with {PRESENCE}")
        rows = [row for row in self._operations.channels() if row.name.startswith(prefix)]
        if counted and len(rows) > MAX_COUNTED:
            raise InvalidField(
                "filter_by_prefix",
                f"{len(rows)} channels match; users are counted in {MAX_COUNTED} at most.",
                code="too_many_channels",
            )
        found: dict[str, Answer] = {}
        for row in rows:
            found[row.name] = attributes = {}
            if "subscription_count" in info:
                attributes["subscription_count"] = row.subscribers
            if counted:
                attributes["user_count"] = self._users(known_channel(row.canonical))
        return {"channels": found}

    def channel(self, app: App, name: str, query: Mapping[str, str]) -> Answer:
        """One channel, whether it has subscribers or not."""
        self._limits.check_key(app.origin)
        channel, info = self._reader.channel(name), read_info(query.get("info"))
        if "user_count" in info and not channel.presence:
            raise _no_users("unless the channel is a presence channel")
        counts = {row.canonical: row.subscribers for row in self._operations.channels()}
        subscribers = counts.get(channel.canonical, 0)
        answer: Answer = {"occupied": subscribers > 0}
        if "user_count" in info:
            answer["user_count"] = self._users(channel)
        if "subscription_count" in info:
            answer["subscription_count"] = subscribers
        return answer

    def users(self, app: App, name: str) -> Answer:
        """The users in a presence channel, by ascending id."""
        self._limits.check_key(app.origin)
        channel = self._reader.channel(name)
        if not channel.presence:
            raise _no_users("unless the channel is a presence channel")
        found: list[Answer] = []
        after: int | None = 0
        while after is not None and len(found) < MAX_USERS:
            page = self._operations.members(channel, after, MAX_PAGE)
            found.extend({"id": str(member.user_id)} for member in page.members)
            after = page.after
        return {"users": found}

    def terminate(self, app: App, user_id: str) -> Answer:
        """Close the user's connections on all workers."""
        self._limits.check_key(app.origin)
        plain = user_id.isascii() and user_id.isdigit() and len(user_id) <= 19
        if not plain or not 0 < int(user_id) <= MAX_USER_ID:
            raise InvalidField("user_id", "user_id must be a whole number above 0.", code="user_id_invalid")
        reason = "The site ended the user's connections."
        self._operations.kick(Command(Action.KICK, user_id=int(user_id), code="terminated", reason=reason))
        return {}

    def _read(self, app: App, read: Callable[[], list[Triggered]]) -> list[Triggered]:
        try:
            triggered = read()
            self._limits.check_key(app.origin, len(triggered))
        except RealtimeError as err:
            self._publisher.refused(app.origin, err)
            raise
        return triggered

    def _counts(
        self, channels: Iterable[Channel], info: frozenset[str], subscribers: Mapping[str, int]
    ) -> dict[str, Answer]:
        """What was asked of channels that an event went to. It was accepted, so nothing here may refuse: what
        cannot be had is left out."""
        found: dict[str, Answer] = {}
        for channel in channels:
            found[channel.name] = attributes = {}
            if "subscription_count" in info:
                attributes["subscription_count"] = subscribers.get(channel.canonical, 0)
            if "user_count" in info and channel.presence:
                try:
                    attributes["user_count"] = self._users(channel)
                except Unavailable:
                    continue
        return found

    def _users(self, channel: Channel) -> int:
        return self._operations.members(channel, 0, 1).total


def _name(idempotency_key: str | None) -> str | None:
    return None if idempotency_key is None else read_key(idempotency_key)


def _no_users(unless: str) -> InvalidField:
    return InvalidField("info", f"Cannot retrieve the user count {unless}.", code="info_invalid")
