"""Stock socket.io-client 4 as a browser would run it: fixture `node_client` makes as many as a test needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from .node import NodeError, NodeProcess

CLIENT_NUMBERS = count(1)


class BrowserClient:
    """One client. What arrives is kept in order; `wait_for` consumes, `events` only looks."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._name = f"client-{next(CLIENT_NUMBERS)}"
        self._open = False

    def open(self, url: str, **options: Any) -> None:
        """Start connecting and return at once.

        Options are socket.io-client's own, by its names: `transports=["websocket"]`, `auth={...}`,
        `query={...}`, `extraHeaders={...}`, `upgrade=False`, `path=...`, `reconnectionDelay=50`.
        `reconnection` is off unless asked for. `raw=True` of ours keeps what `texts` tells.
        """
        self._node.call("open", client=self._name, url=url, options={"reconnection": False, **options})
        self._open = True

    def connect(self, url: str, *, timeout: float = 10.0, **options: Any) -> "BrowserClient":
        """Connect and wait for the answer; a refusal is raised as NodeError with the server's message."""
        self.open(url, **options)
        [outcome] = self._wait(["connect", "connect_error"], 1, timeout)
        if outcome["event"] == "connect_error":
            raise NodeError(f"connect_error: {outcome['args'][0]}")
        return self

    def connect_error(
        self, url: str | None = None, *, timeout: float = 10.0, **options: Any
    ) -> dict[str, Any]:
        """Wait for the refusal, after `open(url)` where a URL is given: `{message, data, type, detail}`.

        `type` and `detail` are set for a transport error ("TransportError" and the HTTP status). A client
        that is let in fails the test.
        """
        if url is not None:
            self.open(url, **options)
        [outcome] = self._wait(["connect", "connect_error"], 1, timeout)
        if outcome["event"] == "connect":
            raise AssertionError("the client was let in; a refusal was expected")
        return outcome["args"][0]

    def emit(self, event: str, *args: Any) -> None:
        self._call("emit", event=event, args=args)

    def emit_many(self, events: Sequence[Sequence[Any]]) -> None:
        """Several `[event, *args]` in one tick of the client, so that they leave together."""
        self._call("emit_many", events=[list(event) for event in events])

    def emit_ack(self, event: str, *args: Any, timeout: float = 5.0) -> Any:
        """Emit and return the acknowledgement: its one value, or the list of them if not exactly one."""
        answer = self._call("emit_ack", event=event, args=args, timeout=timeout * 1000, patience=timeout + 5)
        return answer[0] if len(answer) == 1 else answer

    def reply(self, event: str, *args: Any) -> None:
        """Acknowledge every later `event` of the server with these arguments."""
        self._call("reply", event=event, args=args)

    def wait_for(self, event: str, timeout: float = 5.0) -> list[Any]:
        """The arguments of the next `event` not yet waited for.

        Beside the server's events: "connect", "disconnect" (`[reason]`), "connect_error",
        "manager:reconnect" and its kin.
        """
        return self._wait([event], 1, timeout)[0]["args"]

    def wait_for_many(self, event: str, number: int, timeout: float = 10.0) -> list[list[Any]]:
        """The arguments of the next `number` events of that name, in order."""
        return [one["args"] for one in self._wait([event], number, timeout)]

    def events(self, event: str) -> list[list[Any]]:
        """The arguments of every `event` so far, waited for or not."""
        return [one["args"] for one in self._call("events", event=event)]

    def history(self) -> list[tuple[str, list[Any]]]:
        """Every event so far as `(name, arguments)`, in order of arrival."""
        return [(one["event"], one["args"]) for one in self._call("events", event=None)]

    def timed_history(self) -> list[tuple[float, str, list[Any]]]:
        """`history` with the moment of each arrival, by `time.monotonic`."""
        return [(one["at"], one["event"], one["args"]) for one in self._call("events", event=None)]

    def texts(self) -> list[str]:
        """Every Socket.IO packet so far, as text: for a client opened with `raw=True`."""
        return self._call("texts")

    def forget(self) -> None:
        """Drop what was received so far."""
        self._call("forget")

    def state(self) -> dict[str, Any]:
        """`{connected, active, id, recovered, transport}` as the client itself sees it."""
        return self._call("state")

    @property
    def id(self) -> str | None:
        return self.state()["id"]

    def connected(self) -> bool:
        return self.state()["connected"]

    def recovered(self) -> bool:
        return self.state()["recovered"]

    def transport(self) -> str | None:
        """`"websocket"` or `"polling"`."""
        return self.state()["transport"]

    def set_auth(self, auth: Mapping[str, Any]) -> None:
        """What the next connect sends as `auth`."""
        self._call("auth", auth=auth)

    def drop(self) -> None:
        """Lose the network: no goodbye; a client with `reconnection=True` comes back by itself."""
        self._call("drop")

    def disconnect(self) -> None:
        """Say goodbye and stay away until `reconnect`."""
        self._call("disconnect")

    def reconnect(self, timeout: float = 10.0) -> None:
        self.forget()
        self._call("connect")
        self.wait_for("connect", timeout)

    def close(self) -> None:
        """Disconnect and forget the client."""
        if self._open:
            self._call("close")
            self._open = False

    def _wait(self, events: list[str], number: int, timeout: float) -> list[dict[str, Any]]:
        return self._call("wait", events=events, count=number, timeout=timeout * 1000, patience=timeout + 5)

    def _call(self, command: str, **parameters: Any) -> Any:
        if not self._open:
            raise NodeError("the client was never opened, or is closed")
        return self._node.call(command, client=self._name, **parameters)


@pytest.fixture(scope="session")
def node_driver() -> Iterator[NodeProcess]:
    """The Node process all clients of the run live in; starting it costs 0.1 s, a client 1 ms."""
    node = NodeProcess("driver.mjs")
    try:
        yield node
    finally:
        node.end()


@pytest.fixture
def node_client(node_driver: NodeProcess) -> Iterator[Callable[[], BrowserClient]]:
    """Makes BrowserClients, all closed after the test: `node_client().connect(server.url, auth=...)`."""
    made: list[BrowserClient] = []

    def make() -> BrowserClient:
        made.append(BrowserClient(node_driver))
        return made[-1]

    yield make
    for client in made:
        client.close()
