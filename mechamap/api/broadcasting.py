"""Accepting broadcasts, whatever read the request: who publishes, what, and what they are told."""

from collections.abc import Mapping

import msgspec

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.channels import Parse, parse_channel
from mechamap.domain.errors import InvalidRequest, RealtimeError
from mechamap.domain.idempotency import read_key
from mechamap.domain.moments import now_iso
from mechamap.domain.publication import Publication, Receipt
from mechamap.domain.wire import read_batch
from mechamap.edge.limits import RateLimits
from mechamap.hub.publishing import Publisher
from mechamap.ingest.dialects.broadcast import read_any

from .keys import authenticate

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Writes what ``read_json`` read. That holds nothing that is not JSON, so nothing is judged again."""

Answer = dict[str, object]


class BatchInterrupted(RealtimeError):
    """The broker stopped taking events inside a batch; says which entries were published, so a retry can
    leave them out."""

    def __init__(self, cause: RealtimeError, results: list[Answer]) -> None:
        super().__init__(cause.message, code=cause.code)
        self.http_status = cause.http_status
        self.retry = cause.retry
        self._details = {**cause.details(), "accepted": len(results), "results": results}

    def details(self) -> Answer:
        return self._details


class Broadcasts:
    """The two calls of the API. Both raise ``RealtimeError`` for every refusal."""

    def __init__(
        self, publisher: Publisher, keyring: KeyRing, limits: RateLimits, parse: Parse = parse_channel
    ) -> None:
        self._publisher = publisher
        self._keyring = keyring
        self._limits = limits
        self._parse = parse

    def accept(self, environ: Mapping[str, object], address: str | None, body: bytes) -> Answer:
        """Publish one event. ``environ`` is the request's WSGI environ, of which only the headers of keys are
        read: the publisher's own, and ``Idempotency-Key``."""
        key = authenticate(environ, address, self._keyring, self._limits)
        try:
            self._limits.check_key(key.name)
            name = name_in(environ)
            publication = read_any(read_json(body), origin_of(key), encode, name, self._parse)
            self._publisher.check_size(len(publication.payload))
        except RealtimeError as err:
            self._publisher.refused(origin_of(key), err)
            raise
        receipt = self._publisher.publish(key, publication)
        answer = told(publication, receipt)
        return {"success": True, "message": "Broadcast accepted", **answer, "timestamp": now_iso()}

    def accept_batch(self, environ: Mapping[str, object], address: str | None, body: bytes) -> Answer:
        """Publish many. Every entry is checked before the first is published: a refusal names the entry and
        publishes nothing."""
        key = authenticate(environ, address, self._keyring, self._limits)
        try:
            name = name_in(environ)
            publications = read_batch(read_json(body), origin_of(key), encode, name, self._parse, read_any)
            self._limits.check_key(key.name, len(publications))
            for index, publication in enumerate(publications):
                self._publisher.check_size(len(publication.payload), f"broadcasts[{index}].data")
                self._publisher.check_scope(key, publication)
        except RealtimeError as err:
            self._publisher.refused(origin_of(key), err)
            raise
        published = self._publisher.publish_many(key, publications)
        results = [told(*pair) for pair in zip(publications, published.receipts, strict=False)]
        if published.failure is not None:
            raise BatchInterrupted(published.failure, results) from published.failure
        return {"success": True, "message": "Broadcasts accepted", "results": results, "timestamp": now_iso()}


def origin_of(key: BroadcastKey) -> str:
    return f"key:{key.name}"


def name_in(environ: Mapping[str, object]) -> str | None:
    """The request's own name for what it publishes."""
    header = environ.get("HTTP_IDEMPOTENCY_KEY")
    return None if header is None else read_key(str(header))


def read_json(body: bytes) -> object:
    """The JSON value in ``body``. NaN, Infinity, numbers beyond double and broken UTF-8 are not JSON.

    Raises:
        InvalidRequest: says what is wrong and where, never what was there.
    """
    if not body:
        raise InvalidRequest("The body is empty; a JSON object is expected.")
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise InvalidRequest(f"The body is not valid JSON: {err}") from err
    except RecursionError as err:
        raise InvalidRequest("The body is nested too deep.") from err


def told(publication: Publication, receipt: Receipt) -> Answer:
    """What a publisher learns. ``subscriberCount`` counts subscriptions: a browser in two of the channels
    counts twice."""
    answer: Answer = {
        "id": receipt.id,
        "epoch": receipt.epoch,
        "offset": receipt.offset,
        "duplicate": receipt.duplicate,
        "channel": publication.channels[0].name,
        "event": publication.event,
        "subscriberCount": receipt.total,
    }
    if len(publication.channels) > 1:
        answer["channels"] = [
            {"channel": channel.name, "subscriberCount": receipt.subscribers.get(channel.canonical, 0)}
            for channel in publication.channels
        ]
    if publication.withheld:
        answer["withheld"] = [channel.name for channel in publication.withheld]
    return answer
