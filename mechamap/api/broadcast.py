"""``POST /api/broadcast`` as the plan's PHP class calls it, and ``/api/broadcast/batch``."""

import msgspec
from flask import Blueprint, Response, jsonify, request

from mechamap.auth.protocol import KeyRing
from mechamap.domain.errors import InvalidRequest, RealtimeError, Unavailable
from mechamap.domain.moments import now_iso
from mechamap.domain.publication import Publication, Receipt
from mechamap.domain.wire import read_batch, read_broadcast
from mechamap.edge.limits import RateLimits
from mechamap.hub.publishing import Publisher

from .keys import authenticate

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class BatchInterrupted(Unavailable):
    """The broker went away inside a batch; says which entries were published, so that a retry can leave them
    out."""

    def __init__(self, cause: Unavailable, results: list[dict[str, object]]) -> None:
        super().__init__(cause.message, code=cause.code, retry_after=cause.retry_after)
        self._results = results

    def details(self) -> dict[str, object]:
        return {**super().details(), "accepted": len(self._results), "results": self._results}


def blueprint(publisher: Publisher, keyring: KeyRing, limits: RateLimits) -> Blueprint:
    api = Blueprint("broadcast", __name__, url_prefix="/api")

    @api.post("/broadcast")
    def broadcast() -> Response:
        key = authenticate(request, keyring, limits)
        origin = f"key:{key.name}"
        try:
            limits.check_key(key.name)
            body = read_json(request.get_data(cache=False))
            publication = read_broadcast(body, origin)
            publisher.check_size(_size(publication))
        except RealtimeError as err:
            publisher.refused(origin, err)
            raise
        receipt = publisher.publish(key, publication)
        return jsonify(
            {
                "success": True,
                "message": "Broadcast accepted",
                **_told(publication, receipt),
                "timestamp": now_iso(),
            }
        )

    @api.post("/broadcast/batch")
    def batch() -> Response:
        """Every entry is checked before the first is published: a refusal names the entry and publishes
        nothing. A broker that goes away in between answers 503 with ``accepted``, the number of entries that
        were published before it did."""
        key = authenticate(request, keyring, limits)
        origin = f"key:{key.name}"
        try:
            publications = read_batch(read_json(request.get_data(cache=False)), origin)
            limits.check_key(key.name, len(publications))
            for index, publication in enumerate(publications):
                publisher.check_size(_size(publication), f"broadcasts[{index}].data")
                publisher.check_scope(key, publication)
        except RealtimeError as err:
            publisher.refused(origin, err)
            raise
        results: list[dict[str, object]] = []
        for publication in publications:
            try:
                results.append(_told(publication, publisher.publish(key, publication)))
            except Unavailable as err:
                raise BatchInterrupted(err, results) from err
        return jsonify(
            {"success": True, "message": "Broadcasts accepted", "results": results, "timestamp": now_iso()}
        )

    return api


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


def _size(publication: Publication) -> int:
    return len(_encode(publication.data))


def _told(publication: Publication, receipt: Receipt) -> dict[str, object]:
    """What a publisher learns. ``subscriberCount`` counts subscriptions: a browser in two of the channels
    counts twice."""
    told: dict[str, object] = {"id": receipt.id, "event": publication.event, "subscriberCount": receipt.total}
    if len(publication.channels) == 1:
        return {**told, "channel": publication.channels[0].name}
    counts = [
        {"channel": c.name, "subscriberCount": receipt.subscribers.get(c.canonical, 0)}
        for c in publication.channels
    ]
    return {**told, "channel": publication.channels[0].name, "channels": counts}
