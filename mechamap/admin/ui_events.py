"""What the public Socket.IO Admin UI is told: its events, made of what the roster and the tap know.

The shapes are those of ``@socket.io/admin-ui`` 0.5 (``lib/typed-events.ts``). Its fields for a browser's
headers and for the Engine.IO id stay empty: the ones hold cookies, the other is a secret.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mechamap.domain.console import ConsoleRole
from mechamap.domain.moments import iso
from mechamap.hub.tap import Kind
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord

NAMESPACE = "/admin"
SITE = "/"
"""The namespace of the site's browsers, the only one that is shown."""
SHOWN = (Kind.CONNECT, Kind.UPGRADE, Kind.DISCONNECT, Kind.KICK, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE)


class Feature(StrEnum):
    """What the UI offers its user."""

    EMIT = "EMIT"
    JOIN = "JOIN"
    LEAVE = "LEAVE"
    DISCONNECT = "DISCONNECT"
    MDISCONNECT = "MDISCONNECT"
    AGGREGATED_EVENTS = "AGGREGATED_EVENTS"


def features(role: ConsoleRole) -> list[str]:
    """What this operator is offered: to look only, or to act as well."""
    acting = Feature if role >= ConsoleRole.OPERATOR else (Feature.AGGREGATED_EVENTS,)
    return [feature.value for feature in acting]


@dataclass(frozen=True, slots=True)
class Traffic:
    """One worker's: clients that poll, and events from and for browsers since it started."""

    polling: int
    received: int
    delivered: int


def stats_of(
    worker: WorkerRecord, traffic: Traffic | None, before: Traffic | None, now: float
) -> dict[str, Any]:
    """``server_stats`` of one worker; ``before`` is its traffic of the last round."""
    events = []
    if traffic is not None and before is not None:
        passed = {
            "packetsIn": traffic.received - before.received,
            "packetsOut": traffic.delivered - before.delivered,
        }
        events = [
            {"timestamp": int(now) * 1000, "type": kind, "count": count}
            for kind, count in passed.items()
            if count > 0
        ]
    return {
        "serverId": f"{worker.host}#{worker.slot}",
        "hostname": worker.host,
        "pid": worker.pid,
        "uptime": max(0.0, now - worker.started_at),
        "clientsCount": worker.connections,
        "pollingClientsCount": traffic.polling if traffic is not None else 0,
        "aggregatedEvents": events,
        "namespaces": [{"name": SITE, "socketsCount": worker.connections}],
    }


def socket_of(record: ConnectionRecord) -> dict[str, Any]:
    """One of ``all_sockets``."""
    about = {"userId": record.user_id, "name": record.name, "role": record.role, "token": record.kind}
    socket = _socket(record.sid, record.transport, record.address, record.connected_at, about)
    socket["rooms"] += record.channels
    if record.user_agent:
        socket["handshake"]["headers"] = {"user-agent": record.user_agent}
    return socket


def events_of(record: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The events that tell what the tap noted."""
    sid, at = record.get("sid", ""), iso(record["at"])
    match record["kind"]:
        case Kind.CONNECT:
            about = {"userId": record.get("user_id")}
            socket = _socket(sid, record.get("transport", ""), record.get("address"), record["at"], about)
            yield "socket_connected", socket, at
        case Kind.UPGRADE:
            yield "socket_updated", {"id": sid, "nsp": SITE, "transport": record.get("transport")}
        case Kind.DISCONNECT | Kind.KICK:
            yield "socket_disconnected", SITE, sid, record.get("code", ""), at
        case Kind.SUBSCRIBE:
            for room in record.get("channels", ()):
                yield "room_joined", SITE, room, sid, at
        case Kind.UNSUBSCRIBE:
            for room in record.get("channels", ()):
                yield "room_left", SITE, room, sid, at


def _socket(
    sid: str, transport: str, address: str | None, connected_at: float, about: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": sid,
        "clientId": sid.partition(".")[0],
        "transport": transport,
        "nsp": SITE,
        "data": about,
        "handshake": {
            "address": address or "",
            "headers": {},
            "query": {},
            "issued": int(connected_at * 1000),
            "secure": False,
            "time": iso(connected_at),
            "url": "",
            "xdomain": False,
        },
        "rooms": [sid],
    }
