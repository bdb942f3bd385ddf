"""Pages in one presence channel that only go by what they are told, each a raw WebSocket."""

import json

import gevent

from tests.engine.wire import WebSocket
from tests.integration.conftest import token

CHANNEL = "presence-thread.10"


class MemberPage:
    """Knows the members by its list, the pages of it that it asks for, and the joinings and leavings behind.

    Attributes:
        members, total: as the page has them; ``total`` None before its first list.
        after: where its list goes on; None once it has all of it.
        told: all that came of members, for whoever looks for the reason.
        refused: what it was refused, once for each time.
    """

    def __init__(self, port: int, user_id: int) -> None:
        self.user_id = user_id
        self.members: set[int] = set()
        self.total: int | None = None
        self.after: int | None = None
        self.told: list[tuple[str, object]] = []
        self.ready = False
        self.ended = False
        self.refused: list[dict] = []
        self._wants_in = False
        self._socket = WebSocket(port, timeout=60)
        self._listener = gevent.spawn(self._listen)
        self._socket.send("40" + json.dumps({"token": token(user_id)}))

    @property
    def whole(self) -> bool:
        return self.total is not None and self.after is None

    def enter(self) -> None:
        self._wants_in = True
        self._emit("subscribe", {"channel": CHANNEL})

    def leave(self) -> None:
        self._wants_in = False
        self._emit("unsubscribe", {"channel": CHANNEL})

    def close(self) -> None:
        """As a closed tab does."""
        self.ended = True
        self._listener.kill()
        self._socket.sock.close()

    def _emit(self, event: str, data: object) -> None:
        self._socket.send("42" + json.dumps([event, data]))

    def _listen(self) -> None:
        for text in self._socket.messages():
            if text == "2":
                self._socket.send("3")
            elif text.startswith("42"):
                event, *args = json.loads(text[2:])
                self._hear(event, args)
        self.ended = True

    def _hear(self, event: str, args: list) -> None:
        if event == "connected":
            self.ready = True
        elif event == "subscription_error":
            self.refused.append(args[0])
            if args[0].get("retry"):
                gevent.spawn_later(args[0]["retryAfter"], self._try_again)
        elif event == "presence:subscribed":
            self.members = set()
            self._take(args[1], args[2]["total"], args[2]["after"])
            self.told.append(("list", self.total))
        elif event == "presence:members":
            self._take(args[0]["members"], args[0]["total"], args[0]["after"])
            self.told.append(("page", self.total))
        elif event in ("presence:joining", "presence:leaving"):
            self._change(event.partition(":")[2], args[1]["user_id"])

    def _change(self, change: str, user_id: int) -> None:
        self.told.append((change, user_id))
        if self.total is None:  # what comes before the list is in it
            return
        if change == "joining":
            self.members.add(user_id)
            self.total += 1
        else:
            self.members.discard(user_id)
            self.total -= 1

    def _take(self, members: list[dict], total: int, after: int | None) -> None:
        self.members |= {member["user_id"] for member in members}
        self.total, self.after = total, after
        self._ask()

    def _try_again(self) -> None:
        """What was refused for the moment, as a careful page does."""
        if self.total is not None:
            self._ask()
        elif self._wants_in and not self.ended:
            self.enter()

    def _ask(self) -> None:
        if self.after is not None and not self.ended:
            self._emit("presence:members", {"channel": CHANNEL, "after": self.after})
