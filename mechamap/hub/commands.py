"""Commands to all workers, as this one carries them out: on which of its connections, and who stays out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mechamap.domain.commands import CLOSING, Action, Command

from .bars import Bars
from .connection import Connection

if TYPE_CHECKING:
    from .hub import Hub


class Commands:
    """One worker's part. What waits for something is handed on: a command comes in the middle of delivery.

    Attributes:
        ordered: takes what is said of a person's channels.
        survey: takes the question who has a user's connections.
        recheck: looks whether a user may keep their connections and channels.
        barred: told when others stay out than before.
    """

    def __init__(self, hub: "Hub", bars: Bars) -> None:
        self.ordered: Callable[[Command], object] = _nothing
        self.survey: Callable[[Command], object] = _nothing
        self.recheck: Callable[[int], object] = _nothing
        self.barred: Callable[[Command], object] = _nothing
        self._hub = hub
        self._bars = bars

    def carry_out(self, command: Command) -> None:
        """Do what is said. Must not yield."""
        if command.subject is not None:  # subscribing waits, which this must not
            self.ordered(command)
            return
        if command.action is Action.SURVEY:  # as does answering
            self.survey(command)
            return
        self._bar(command)
        for connection in self._named(command):
            if command.action in CLOSING:
                self._hub.close(connection, command.code, command.reason)
            elif command.action is Action.RECHECK:
                self.recheck(connection.user_id)

    def _bar(self, command: Command) -> None:
        """Remember who stays out from now on."""
        match command:
            case Command(action=Action.BLOCK, user_id=int(user_id), until=float(until)):
                self._bars.block(user_id, until)
            case Command(action=Action.UNBLOCK, user_id=int(user_id)):
                self._bars.unblock(user_id)
            case Command(action=Action.REVOKE, token=str(ref)):
                self._bars.revoke(ref)
            case _:
                return
        self.barred(command)

    def _named(self, command: Command) -> list[Connection]:
        connections = self._hub.connections
        if command.everyone:
            return list(connections)
        if command.user_id is not None:
            return connections.of_user(command.user_id)
        if command.channel is not None:
            return connections.of_channel(command.channel)
        if command.token is not None:
            return connections.of_token(command.token)
        connection = connections.get(command.sid or "")
        return [connection] if connection is not None else []


def _nothing(_: object) -> None:
    """Where nobody is there to take it."""
