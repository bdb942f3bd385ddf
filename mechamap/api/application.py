"""Accepting what the application's own PHP publishes, and its orders about members of a channel."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.channels import Channel, Parse, parse_channel
from mechamap.domain.errors import Forbidden, InvalidChannel, KeyRefused, RealtimeError
from mechamap.domain.moments import now_iso
from mechamap.domain.privacy import WITHHELD
from mechamap.domain.publication import Publication, Receipt
from mechamap.domain.wire import check_object
from mechamap.edge.limits import RateLimits
from mechamap.edge.networks import Networks
from mechamap.hub.operations import PublisherOperations
from mechamap.hub.publishing import Publisher
from mechamap.ingest.dialects.driver import Driven, read_driver
from mechamap.ingest.dialects.fields import id_of
from mechamap.ingest.dialects.group import Membership, read_group
from mechamap.ingest.dialects.notify import read_notify
from mechamap.ingest.dialects.realtime import read_realtime

from .broadcasting import Answer, BatchInterrupted, encode, name_in, origin_of, read_json, told
from .keys import authenticate, offered

DRIVER = BroadcastKey("laravel-driver")
"""Who publishes without a key."""

Environ = Mapping[str, object]


class ApplicationBroadcasts:
    """The calls of those paths. All raise ``RealtimeError`` for every refusal."""

    def __init__(
        self,
        publisher: Publisher,
        operations: PublisherOperations,
        keyring: KeyRing,
        limits: RateLimits,
        driver_networks: Networks,
        parse: Parse = parse_channel,
    ) -> None:
        self._publisher = publisher
        self._operations = operations
        self._keyring = keyring
        self._limits = limits
        self._driver_networks = driver_networks
        self._parse = parse

    def accept_driver(self, environ: Environ, address: str | None, body: bytes) -> Answer:
        """An event of the broadcast driver; or, where the body has an ``action``, what the group service
        asks for."""
        key, why = self._driver_key(environ, address)
        with self._told_refusals(key):
            asked = check_object(read_json(body))
            if "action" not in asked:
                driven = read_driver(asked, origin_of(key), encode, name_in(environ), self._parse)
                self._check(key, driven.publication)
            elif why is None:
                order = read_group(asked, origin_of(key), encode, name_in(environ), self._parse)
                self._check(key, order)
            else:
                raise KeyRefused(why, code="key_missing")
        if "action" not in asked:
            self._publisher.left_out(driven.publication, driven.left_out)
            return _driven(driven, self._publisher.publish(key, driven.publication))
        if isinstance(order, Membership):
            return self._order(order)
        return self._publish(key, order)

    def accept_notify(self, environ: Environ, address: str | None, body: bytes) -> Answer:
        """What the notification service sends: one event, or two of one content."""
        key = self._key(environ, address)
        with self._told_refusals(key):
            publications = read_notify(read_json(body), origin_of(key), encode, name_in(environ), self._parse)
            for publication in publications:
                self._check(key, publication)
        published = self._publisher.publish_many(key, publications)
        results = [told(*pair) for pair in zip(publications, published.receipts, strict=False)]
        if published.failure is not None:
            raise BatchInterrupted(published.failure, results) from published.failure
        answer: Answer = {"success": True, "message": "Notification accepted", **results[0]}
        if len(results) > 1:
            answer["results"] = results
        return {**answer, "timestamp": now_iso()}

    def accept_for_user(self, user_id: str, environ: Environ, address: str | None, body: bytes) -> Answer:
        """An event for all connections of one user."""
        key = self._key(environ, address)
        with self._told_refusals(key):
            asked = {**check_object(read_json(body)), "to": "user", "user_id": id_of(user_id, "user_id")}
            publication = read_realtime(asked, origin_of(key), encode, name_in(environ), self._parse)
            self._check(key, publication)
        answer = told(publication, self._publisher.publish(key, publication))
        about = {"success": True, "message": "Broadcast accepted", "userId": asked["user_id"]}
        return {**about, **answer, "timestamp": now_iso()}

    def _publish(self, key: BroadcastKey, publication: Publication) -> Answer:
        answer = told(publication, self._publisher.publish(key, publication))
        return {"success": True, "message": "Broadcast accepted", **answer, "timestamp": now_iso()}

    def _order(self, order: Membership) -> Answer:
        """Given to every worker; whether the rule lets them in is judged there."""
        connections = self._operations.order(order.command)
        return {
            "success": True,
            "message": "Order accepted",
            "action": f"{order.action.value}_channel",
            "channel": order.channel.name,
            "userId": order.user_id,
            "connections": connections,
            "timestamp": now_iso(),
        }

    def _key(self, environ: Environ, address: str | None) -> BroadcastKey:
        return authenticate(environ, address, self._keyring, self._limits)

    def _driver_key(self, environ: Environ, address: str | None) -> tuple[BroadcastKey, str | None]:
        """Who publishes, and, without a key, why only as the driver. A key that was offered counts, right or
        wrong, wherever it comes from."""
        if offered(environ):
            return self._key(environ, address), None
        why = self._driver_networks.refusal(environ, address)
        if why is not None:
            self._limits.note_failed_key(address)
            raise KeyRefused(f"A broadcast key is required. {why}", code="driver_untrusted")
        return DRIVER, "A broadcast key is required for an action."

    def _check(self, key: BroadcastKey, asked: Publication | Membership) -> None:
        if isinstance(asked, Publication):
            self._publisher.check_size(len(asked.payload))
            self._publisher.check_scope(key, asked)
        elif not key.may_publish(asked.channel):
            why = f"The key {key.name!r} may not let anyone into {asked.channel.name}."
            raise Forbidden(why, code="key_scope")

    @contextmanager
    def _told_refusals(self, key: BroadcastKey) -> Iterator[None]:
        """Rate, and what counts and logs a request that is refused before it is published."""
        try:
            self._limits.check_key(key.name)
            yield
        except RealtimeError as err:
            self._publisher.refused(origin_of(key), err)
            raise


def _driven(driven: Driven, receipt: Receipt) -> Answer:
    """The present server's fields, with what became of each channel, beside our own."""
    publication = driven.publication
    withheld = {channel.canonical for channel in publication.withheld}
    results: list[Answer] = []
    for name, entry in zip(driven.names, driven.named, strict=True):
        if isinstance(entry, InvalidChannel):
            why = {"status": "rejected", "code": entry.code, "message": entry.message}
            results.append({"channel": name, "subscriberCount": 0, **why})
        elif entry.canonical in withheld:
            why = {"status": "withheld", "code": WITHHELD}
            results.append({"channel": name, "subscriberCount": 0, **why})
        else:
            results.append(_reached(entry, receipt))
    return {
        "success": True,
        "message": "Broadcast accepted",
        **told(publication, receipt),
        "channelCount": len(publication.channels),
        "totalSubscribers": receipt.total,
        "results": results,
        "timestamp": now_iso(),
    }


def _reached(channel: Channel, receipt: Receipt) -> Answer:
    count = receipt.subscribers.get(channel.canonical, 0)
    return {"channel": channel.name, "subscriberCount": count, "status": "accepted"}
