"""Operations through the running server: without Redis no other process can see its connections."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from mechamap.api.operator import STAMP_HEADER, stamp
from mechamap.domain.channels import Channel
from mechamap.domain.commands import Command
from mechamap.domain.errors import (
    BrokerUnavailable,
    InvalidField,
    InvalidRequest,
    KeyRefused,
    NotFound,
    RealtimeError,
)
from mechamap.domain.history import Position
from mechamap.domain.members import Member, MemberPage
from mechamap.domain.publication import Receipt
from mechamap.domain.searching import Search
from mechamap.hub.event_search import Wanted
from mechamap.hub.explanation import Delivery
from mechamap.hub.history import Page, PastEvent
from mechamap.hub.inspections import ChannelSeen, ConnectionSeen, ConnectionsFound, Reach
from mechamap.hub.operations import ChannelRow, Totals
from mechamap.hub.statistics import Overview
from mechamap.hub.tap import Filter, Watch
from mechamap.hub.watching import Seen
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord

from .door import Answer, Door, NoAnswer

T = TypeVar("T")


class RemoteOperations:
    """Implements ``hub.operations.Operations`` by asking ``/api/operator/…`` of the server at ``base_url``.

    Args:
        secret_key: the server's SECRET_KEY, of which every request carries a proof that lives a minute.
        certificate: the server's own TLS certificate, trusted over loopback.
    """

    def __init__(self, base_url: str, secret_key: str, certificate: Path | None = None) -> None:
        self._base_url = base_url
        self._secret_key = secret_key
        self._door = Door(base_url, certificate)

    def clients(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        wanted = {"user_id": user_id, "sid": sid, "limit": limit}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        rows = self._ask(f"/clients?{query}")
        return self._read(
            lambda: [ConnectionRecord(**{**row, "channels": tuple(row["channels"])}) for row in rows]
        )

    def channels(self) -> list[ChannelRow]:
        rows = self._ask("/channels")
        return self._read(lambda: [ChannelRow(**row) for row in rows])

    def history(self, channel: str, since: Position | None, limit: int) -> Page:
        wanted: dict[str, str | int] = {"channel": channel, "limit": limit}
        if since is not None:
            wanted |= {"epoch": since.epoch, "offset": since.offset}
        found = self._ask(f"/history?{urlencode(wanted)}")
        return self._read(
            lambda: Page(**{**found, "events": tuple(PastEvent(**row) for row in found["events"])})
        )

    def members(self, channel: Channel, after: int, limit: int) -> MemberPage:
        query = urlencode({"channel": channel.name, "after": after, "limit": limit})
        found = self._ask(f"/members?{query}")
        return self._read(
            lambda: MemberPage(**{**found, "members": tuple(Member(**row) for row in found["members"])})
        )

    def workers(self) -> list[WorkerRecord]:
        rows = self._ask("/workers")
        return self._read(lambda: [WorkerRecord(**row) for row in rows])

    def totals(self) -> Totals:
        counts = self._ask("/totals")
        return self._read(lambda: Totals(**counts))

    def statistics(self) -> Overview:
        found = self._ask("/statistics")
        return self._read(lambda: msgspec.convert(found, Overview))

    def kick(self, command: Command) -> int:
        answer = self._ask("/kick", asdict(command))
        return self._read(lambda: int(answer["connections"]))

    def find(self, search: Search) -> ConnectionsFound:
        return self._read_as(ConnectionsFound, "/find", msgspec.to_builtins(search))

    def connection(self, sid: str) -> ConnectionSeen:
        try:
            return self._read_as(ConnectionSeen, f"/connection?{urlencode({'sid': sid})}")
        except InvalidField as err:
            raise NotFound(err.message, code=err.code) from err

    def reach(self, channel: Channel) -> Reach:
        return self._read_as(Reach, f"/reach?{urlencode({'channel': channel.name})}")

    def channel(self, channel: Channel) -> ChannelSeen:
        return self._read_as(ChannelSeen, f"/channel?{urlencode({'channel': channel.name})}")

    def purge(self, channel: Channel) -> int:
        answer = self._ask("/purge", {"channel": channel.name})
        return self._read(lambda: int(answer["events"]))

    def publish(self, body: object, origin: str) -> Receipt:
        """``origin`` is decided by the server's door: whoever comes through it is the command line."""
        receipt = self._ask("/publish", body)
        return self._read(lambda: Receipt(**receipt))

    def delivery(self, user_id: int, wanted: Wanted) -> Delivery:
        """Implements ``hub.explaining.Explains``."""
        about = {"user_id": user_id, "event": wanted.event, "at": wanted.at}
        about["channel"] = wanted.channel.name if wanted.channel is not None else None
        query = urlencode({name: value for name, value in about.items() if value is not None})
        found = self._ask(f"/explain?{query}")
        return self._read(lambda: msgspec.convert(found, Delivery))

    def see(self, console: str, wants: Filter, cursors: dict[str, int]) -> Seen:
        """Implements ``hub.watching.Watches``."""
        found = self._ask("/watch", asdict(Watch(console, wants, cursors)))
        return self._read(lambda: msgspec.convert(found, Seen))

    def _ask(self, path: str, body: object = None) -> Any:
        try:
            answer = self._door.request(
                f"/api/operator{path}",
                body=None if body is None else json.dumps(body, allow_nan=False).encode(),
                headers={STAMP_HEADER: stamp(self._secret_key)},
            )
        except NoAnswer as err:
            raise BrokerUnavailable(
                f"The server does not answer at {self._base_url}: {err}. Start it with `make run`, "
                "or set REDIS_URL to reach servers elsewhere.",
                code="server_unreachable",
            ) from err
        if answer.status != 200:
            raise self._refusal(answer)
        return self._read(lambda: json.loads(answer.body))

    def _read_as(self, kind: type[T], path: str, body: object = None) -> T:
        found = self._ask(path, body)
        return self._read(lambda: msgspec.convert(found, kind))

    def _read(self, build: Any) -> Any:
        try:
            return build()
        except (TypeError, ValueError, KeyError, AttributeError, msgspec.MsgspecError) as err:
            raise BrokerUnavailable(
                f"What answers at {self._base_url} is not this version of the server; restart it.",
                code="server_differs",
            ) from err

    def _refusal(self, answer: Answer) -> RealtimeError:
        """The server's own error, as if it had been raised here."""
        try:
            told = json.loads(answer.body)
            message, code = str(told["message"]), str(told["code"])
        except (TypeError, ValueError, KeyError):
            return BrokerUnavailable(
                f"What answers at {self._base_url} is not this server (HTTP {answer.status}).",
                code="server_differs",
            )
        match answer.status:
            case 400:
                return InvalidRequest(message, code=code)
            case 401:
                return KeyRefused(
                    f"The server at {self._base_url} has another SECRET_KEY than this command line; "
                    "run the command with the server's own settings.",
                    code=code,
                )
            case 404:
                return BrokerUnavailable(
                    f"What answers at {self._base_url} is not this version of the server; restart it.",
                    code="server_differs",
                )
            case 422:
                return InvalidField(str(told.get("field", "body")), message, code=code)
            case 503:
                return BrokerUnavailable(message, code=code)
            case _:
                return RealtimeError(f"The server answers {answer.status}: {message}", code=code)
