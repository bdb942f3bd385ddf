"""The commands of the Socket.IO Admin UI, with the permissions and the trail of the console."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mechamap.domain.acts import Act
from mechamap.domain.commands import Action, Command
from mechamap.domain.console import ConsoleRole
from mechamap.domain.errors import Forbidden, InvalidField, NotFound, RealtimeError
from mechamap.domain.moments import now_iso
from mechamap.services import Services
from mechamap.sockets.answers import internal_error
from mechamap.store.console_sessions import Ended

from .reasons import DEFAULT_REASON
from .ui_entry import Entry, Guest
from .ui_events import SITE


class UiCommands:
    """One worker's. ``guests``: who is connected here, by socket id. ``tell`` sends one of them an event."""

    def __init__(
        self, services: Services, entry: Entry, guests: Mapping[str, Guest], tell: Callable[..., None]
    ) -> None:
        self._services = services
        self._entry = entry
        self._guests = guests
        self._tell = tell

    def handlers(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        """The handler of each command, by the UI's name of it."""
        for name, recorded, act in (
            ("emit", Act.EVENT_PUBLISH, self._emit),
            ("join", Act.CHANNEL_JOIN, self._join),
            ("leave", Act.CHANNEL_LEAVE, self._leave),
            ("_disconnect", Act.CONNECTION_CLOSE, self._disconnect),
        ):
            yield name, self._guarded(name.lstrip("_"), recorded, act)

    def _guarded(
        self, name: str, recorded: Act, act: Callable[..., tuple[str, Callable[[], object]]]
    ) -> Callable[..., Any]:
        """A command of the UI: judged, carried out, recorded; answered where the client asked for it, which
        the UI's own page never does. ``act`` reads its arguments and says what it is about and what is to be
        done."""

        def run(sid: str, *args: object) -> dict[str, object]:
            guest, target = self._guests.get(sid), "console"
            try:
                if guest is None:
                    raise Forbidden("The connection is not signed in.", code="not_connected")
                self._services.limits.check_connection(sid)
                self._check(guest)
                target, work = _prepared(act, guest, args)
                done = work()
            except RealtimeError as err:
                return self._refused(sid, guest, name, recorded, target, err)
            except Exception:
                return internal_error(f"admin_ui_{name}")
            actor = f"admin:{guest.operator.user_id}"
            self._entry.record(actor, recorded, target, guest.address, detail=str(done))
            return {"success": True}

        return run

    def _check(self, guest: Guest) -> None:
        """Whether the operator may act now.

        Raises:
            Forbidden
            Unavailable
        """
        operator = self._entry.still(guest.secret, guest.address, polling=False)
        if isinstance(operator, Ended):
            raise Forbidden("The session has ended; sign in again.", code=operator.value)
        if operator.console_role < ConsoleRole.OPERATOR:
            raise Forbidden("This needs the permission «operate».", code="permission_missing")

    def _refused(
        self, sid: str, guest: Guest | None, name: str, recorded: Act, target: str, error: RealtimeError
    ) -> dict[str, object]:
        """The page has no place for a refusal: its user finds it among the events."""
        if guest is not None:
            actor = f"admin:{guest.operator.user_id}"
            self._entry.record(actor, recorded, target, guest.address, outcome=error.code)
            what = [f"{name} refused: {error.code}", {"target": target, "message": error.message}]
            self._tell(sid, "event_received", SITE, sid, what, now_iso())
        return {"success": False, "code": error.code, "message": error.message}

    def _emit(self, guest: Guest, nsp: str, room: str, event: str, data: object = None, *more: object) -> Any:
        channel = self._channel(nsp, room)
        if more:
            raise InvalidField("data", "Events here have one argument.", code="arguments_invalid")
        body = {"channel": channel, "event": event, "data": data}
        actor = f"admin:{guest.operator.user_id}"
        return f"channel:{channel}", lambda: self._services.operations.publish(body, actor).id

    def _join(self, guest: Guest, nsp: str, room: str, sid: str = "") -> Any:
        return self._order(Action.JOIN, nsp, room, sid)

    def _leave(self, guest: Guest, nsp: str, room: str, sid: str = "") -> Any:
        return self._order(Action.LEAVE, nsp, room, sid)

    def _order(self, action: Action, nsp: str, room: str, sid: str) -> Any:
        """Of the user whose connection it is, who joins only what the rules allow."""
        channel, record = self._channel(nsp, room), self._connection(sid)
        command = Command(action, user_id=record.user_id, subject=channel)
        return f"user:{record.user_id}", lambda: f"{self._services.operations.order(command)} in {channel}"

    def _disconnect(self, guest: Guest, nsp: str, close: object = False, target: str = "") -> Any:
        """One connection, or all of a channel. The UI does not ask before it closes everything, so that is
        for the command line."""
        _site(nsp)
        if not isinstance(target, str) or not target:
            raise InvalidField(
                "filter",
                "Name a socket or a room; all at once are for flask clients kick.",
                code="filter_required",
            )
        try:
            record = self._connection(target)
            about, command = (
                f"connection:{record.sid}",
                Command(Action.KICK, sid=record.sid, reason=DEFAULT_REASON),
            )
        except NotFound:
            channel = self._services.parse_channel(target)
            about = f"channel:{channel.name}"
            command = Command(Action.KICK, channel=channel.canonical, reason=DEFAULT_REASON)
        return about, lambda: self._services.operations.kick(command)

    def _channel(self, nsp: object, room: object) -> str:
        _site(nsp)
        return self._services.parse_channel(room).name

    def _connection(self, sid: object) -> Any:
        found = self._services.operations.clients(sid=sid, limit=1) if isinstance(sid, str) and sid else []
        if not found:
            raise NotFound("There is no such socket.", code="not_connected")
        return found[0]


def _prepared(act: Callable[..., Any], guest: Guest, args: tuple[object, ...]) -> Any:
    try:
        inspect.signature(act).bind(guest, *args)
    except TypeError as err:
        raise InvalidField("arguments", "The command has other arguments.", code="arguments_invalid") from err
    return act(guest, *args)


def _site(nsp: object) -> None:
    if nsp != SITE:
        raise InvalidField("nsp", "Only the namespace / is served.", code="namespace_unknown")
