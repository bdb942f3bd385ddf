"""The running server as its clients meet it: health, readiness, and a WebSocket through what is between."""

import json
from collections.abc import Iterator

from mechamap import __version__
from mechamap.cli.door import Door, NoAnswer
from mechamap.settings import Settings

from .finding import Finding, fail, graver, ok, warn
from .handshake import HandshakeFailed, handshake

AREA = "Server"
START = "Start it with `make run`."


def examine(settings: Settings, url: str | None) -> Iterator[Finding]:
    """Args:
    url: the public address to ask instead of this machine's own; there the server must answer.
    """
    base = url or settings.base_url
    door = Door(base, settings.ssl_cert_path)
    try:
        answer = door.request("/health", timeout=5)
    except NoAnswer as err:
        yield graver(
            url is not None or settings.production, AREA, "health", f"{base} does not answer: {err}.", START
        )
        return
    told = _object(answer.body)
    if answer.status != 200 or told.get("status") != "ok":
        yield fail(
            AREA,
            "health",
            f"What answers at {base} is not this server (HTTP {answer.status}).",
            "Mend HOST and PORT, or the proxy's upstream.",
        )
        return
    version = str(told.get("version"))
    if version == __version__:
        yield ok(AREA, "health", f"{base} answers, version {version}.")
    else:
        yield warn(
            AREA, "health", f"{base} runs version {version}; this is {__version__}.", "Restart the server."
        )
    yield from _ready(door)
    yield _websocket(door, settings)


def _ready(door: Door) -> Iterator[Finding]:
    try:
        answer = door.request("/health/ready", timeout=10)
    except NoAnswer as err:
        yield fail(AREA, "readiness", f"/health/ready does not answer: {err}.", "Look into the server's log.")
        return
    told = _object(answer.body)
    reasons = [str(reason) for reason in told.get("reasons") or ()]
    match told.get("status"):
        case "ready":
            yield ok(AREA, "readiness", "Ready: everything it depends on answers.")
        case "degraded":
            yield warn(AREA, "readiness", f"Degraded: {'; '.join(reasons)}", "Bring back what it names.")
        case "unavailable":
            yield fail(AREA, "readiness", f"Not ready: {'; '.join(reasons)}", "Bring back what it names.")
        case _:
            yield fail(
                AREA, "readiness", f"/health/ready answers HTTP {answer.status}.", "Let the proxy pass it."
            )


def _websocket(door: Door, settings: Settings) -> Finding:
    # Every request of a page brings an Origin, and the server refuses strangers' before it upgrades.
    origin = settings.origins[0]
    try:
        handshake(door, origin)
    except HandshakeFailed as err:
        return fail(
            AREA,
            "WebSocket",
            f"The upgrade fails: {err}.",
            "A proxy in between must pass the Upgrade and Connection headers, as deploy/nginx.conf does.",
        )
    return ok(AREA, "WebSocket", f"The upgrade passes, from {origin}.")


def _object(body: bytes) -> dict[str, object]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
