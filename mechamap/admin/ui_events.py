"""What the public Socket.IO Admin UI is told: the shapes of its events, and what its user is offered.

The shapes are those of ``@socket.io/admin-ui`` 0.5 (``lib/typed-events.ts``). Its fields for a browser's
headers and for the Engine.IO id stay empty: the ones hold cookies, the other is a secret.
"""

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
    """The dashboard counts what ``server_stats`` says, and draws its charts of it."""
    ALL_EVENTS = "ALL_EVENTS"
    """Without it the UI has no pages but the dashboard and the servers."""


LOOKING = (Feature.AGGREGATED_EVENTS, Feature.ALL_EVENTS)


def features(role: ConsoleRole) -> list[str]:
    """What this operator is offered: to look only, or to act as well."""
    offered = Feature if role >= ConsoleRole.OPERATOR else LOOKING
    return [feature.value for feature in offered]


@dataclass(frozen=True, slots=True)
class Traffic:
    """One worker's: clients that poll now, and those that came and went since it started."""

    polling: int
    came: int
    went: int


def stats_of(
    worker: WorkerRecord, traffic: Traffic | None, before: Traffic | None, now: float
) -> dict[str, Any]:
    """``server_stats`` of one worker; ``before`` is its traffic of the last round."""
    events = []
    if traffic is not None and before is not None:
        passed = {"rawConnection": traffic.came - before.came, "rawDisconnection": traffic.went - before.went}
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
    socket = new_socket(record.sid, record.transport, record.address, record.connected_at, about)
    socket["rooms"] += record.channels
    if record.user_agent:
        socket["handshake"]["headers"] = {"user-agent": record.user_agent}
    return socket


def new_socket(
    sid: str, transport: str, address: str | None, connected_at: float, about: dict[str, Any]
) -> dict[str, Any]:
    """A socket in no room but its own."""
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
