"""Laravel Echo with its Socket.IO connector, as a page has it: what its callbacks are called with."""

from typing import Any

from .browser_client import BrowserClient


class EchoPage(BrowserClient):
    """A client whose socket Echo opened: `open(url, echo="2.0", auth={...})`, the rest being Echo's options.

    `kind` is Echo's method for a channel: "channel", "private" or "join". Names are without the prefix that
    it adds.
    """

    def listen(self, kind: str, name: str, *events: str) -> None:
        self._call("echo_listen", kind=kind, name=name, events=events)

    def join(self, name: str) -> None:
        """Of a presence channel: `here`, `joining` and `leaving`."""
        self._call("echo_join", name=name)

    def listen_for_notifications(self, name: str) -> None:
        self._call("echo_notification", name=name)

    def listen_for_whispers(self, kind: str, name: str, event: str) -> None:
        self._call("echo_whispers", kind=kind, name=name, event=event)

    def whisper(self, kind: str, name: str, event: str, data: Any) -> None:
        self._call("echo_whisper", kind=kind, name=name, event=event, data=data)

    def leave(self, name: str) -> None:
        self._call("echo_leave", name=name)

    def socket_id(self) -> str:
        return self._call("echo_socket_id")

    def hears(self, channel: str, event: str, timeout: float = 5.0) -> Any:
        """What the next call of that callback was given, `channel` being the name on the wire."""
        return self.wait_for(f"heard {channel} {event}", timeout)[0]

    def heard(self, channel: str, event: str) -> list[Any]:
        """What every call of that callback so far was given."""
        return [args[0] for args in self.events(f"heard {channel} {event}")]
