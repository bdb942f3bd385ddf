"""One live connection: whose it is, what it is subscribed to, and what it is owed."""

import time
from array import array
from collections.abc import Callable, Iterator

from mechamap.domain.channels import Channel, known_channel, spell
from mechamap.domain.dialects import Dialect, mark
from mechamap.domain.history import Position
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Kept
from mechamap.presence.protocol import ConnectionRecord


class Connection:
    """One accepted browser connection. There are tens of thousands, so it keeps every value once and nothing
    that can be made from the rest.

    Attributes:
        active_at: when its browser last sent an event, as Unix seconds; None before it did.
        facts: what the directory last said of the user; None where it has no table of users.
        dialect: how it hears the channels for which it did not say so.
        opened_at: when its transport was opened, as Unix seconds, before anything was said on it.
        proven: the latest epoch of which it is certain that its client was on it; None: of none yet.
        pid: names its session to its own client; None before it has one.
    """

    __slots__ = (
        "_begin", "_channels", "_claims", "_echo", "_epoch", "_given", "_joined", "_since", "_token",
        "active_at", "address", "connected_at", "dialect", "expires_at", "facts", "kind", "opened_at", "pid",
        "proven", "sid", "transport", "user_agent", "user_id", "worker",
    )  # fmt: skip

    def __init__(
        self,
        sid: str,
        identity: Identity,
        facts: UserFacts | None,
        worker: str,
        position: Position,
        *,
        transport: str,
        address: str | None,
        user_agent: str | None,
        connected_at: float,
        opened_at: float | None = None,
        dialect: Dialect = Dialect.PLAN,
    ) -> None:
        """``opened_at``: None if that is not known apart from ``connected_at``."""
        self.sid = sid
        self.user_id = identity.user_id
        self.kind = identity.kind
        self.expires_at = identity.expires_at
        self.facts = facts
        # role and name as the token has them, where nobody else knows them
        self._claims = (identity.role, identity.name) if facts is None else None
        self.worker = worker
        self.transport = transport
        self.address = address
        self.user_agent = user_agent
        self.connected_at = connected_at
        self.opened_at = connected_at if opened_at is None else opened_at
        self.active_at: float | None = None
        self.dialect = dialect
        # the canonical names of the channels that it hears in Laravel Echo's dialect
        self._echo: tuple[str, ...] = ()
        # a canonical name alone where the client spells the channel as lists do
        self._channels: tuple[str | Channel, ...] = ()
        # where the sequence was when it began, or up to where it has everything; and when it joined each
        # channel, which decides what comes through it
        self._epoch, self._begin = position.epoch, position.offset
        self._since: tuple[int, ...] = ()
        self._given: Position | None = None
        # seconds after its beginning at which it joined each channel, four bytes for each
        self._joined = b""
        # names of its token, eight bytes for each (49 in all with a ``jti``): to be found when it is revoked
        self._token = bytes.fromhex(identity.token_ref + identity.jti_ref)
        self.pid: str | None = None
        self.proven: str | None = None

    @property
    def role(self) -> str | None:
        return self.facts.role if self.facts is not None else self._claims[0] if self._claims else None

    @property
    def name(self) -> str | None:
        return self.facts.name if self.facts is not None else self._claims[1] if self._claims else None

    @property
    def identity(self) -> Identity:
        """Who it is, for the rules."""
        return Identity(self.user_id, self.role, self.name, self.kind, self.expires_at)

    @property
    def token_ref(self) -> str:
        """Names its token, as ``Identity`` has it; empty for guests."""
        return self._token[:8].hex()

    def came_with(self, ref: str) -> bool:
        """Whether its token, or that token's ``jti``, has this name."""
        return bool(ref) and ref in (self._token[:8].hex(), self._token[8:].hex())

    @property
    def joined_at(self) -> tuple[float, ...]:
        """When it joined each of its channels, in Unix seconds: to the second."""
        return tuple(self.connected_at + after for after in array("I", self._joined))

    @property
    def channels(self) -> dict[str, Channel]:
        """Canonical name → the channel as this client spells it; a copy."""
        known = (known_channel(c) if isinstance(c, str) else c for c in self._channels)
        return {channel.canonical: channel for channel in known}

    @property
    def canonicals(self) -> tuple[str, ...]:
        """The canonical names of its channels, the earliest first."""
        return tuple(c if isinstance(c, str) else c.canonical for c in self._channels)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names of its channels as the client spells them."""
        return tuple(spell(c) if isinstance(c, str) else c.name for c in self._channels)

    def dialect_of(self, canonical: str) -> Dialect:
        """In which one it hears the channel."""
        return Dialect.ECHO if canonical in self._echo else Dialect.PLAN

    def spelled(self, canonical: str) -> str | None:
        """The name under which it hears the channel in Echo's dialect; None in the plan's, which has none in
        its events."""
        if canonical not in self._echo:
            return None
        return self.spellings[self.canonicals.index(canonical)]

    @property
    def rooms(self) -> tuple[tuple[str, str | None], ...]:
        """Of each channel its canonical name and what ``spelled`` tells of it."""
        if not self._echo:
            return tuple((canonical, None) for canonical in self.canonicals)
        return tuple(
            (canonical, name if canonical in self._echo else None)
            for canonical, name in zip(self.canonicals, self.spellings, strict=True)
        )

    @property
    def marks(self) -> tuple[str, ...]:
        """How a session keeps its channels: as the client spells and hears them."""
        if not self._echo:
            return self.spellings
        return tuple(
            mark(name, self.dialect_of(c)) for c, name in zip(self.canonicals, self.spellings, strict=True)
        )

    def mark_of(self, canonical: str) -> str | None:
        """That of one channel; None if it does not have it."""
        marks = dict(zip(self.canonicals, self.marks, strict=True))
        return marks.get(canonical)

    def record(self) -> ConnectionRecord:
        """How operators see it."""
        return ConnectionRecord(
            sid=self.sid,
            user_id=self.user_id,
            name=self.name,
            role=self.role,
            worker=self.worker,
            transport=self.transport,
            address=self.address,
            user_agent=self.user_agent,
            kind=self.kind.value,
            connected_at=self.connected_at,
            expires_at=self.expires_at,
            channels=self.spellings,
        )

    @property
    def position(self) -> Position:
        """Where it began, or up to where it has everything of its channels."""
        return Position(self._epoch, self._begin)

    def kept(self) -> Kept:
        """How it is kept for its client's return."""
        since = {name: max(joined, self._begin) for name, joined in self.joins().items()}
        return Kept(self.user_id, {self.sid: self.opened_at}, self.position, since)

    def joins(self) -> dict[str, int]:
        """Where it joined each of its channels, by their ``marks``, in the epoch of ``position``."""
        return dict(zip(self.marks, self._since, strict=True))

    def owed(self) -> tuple[tuple[str, int], ...]:
        """The canonical names of its channels, and from where it is owed the events of each, in the epoch of
        ``position``."""
        return tuple(zip(self.canonicals, self._since, strict=True))

    def join(self, channel: Channel, position: Position, dialect: Dialect = Dialect.PLAN) -> None:
        """Add a channel whose events it is owed from ``position`` on; the caller knows that it is not there
        yet."""
        after = int(time.time() - self.connected_at)
        self._joined += array("I", (min(max(after, 0), 2**32 - 1),)).tobytes()
        if position.epoch != self._epoch:  # offsets of different epochs cannot be compared
            self._epoch, self._begin, self._since = position.epoch, 0, (0,) * len(self._since)
        if position.offset < self._begin:  # it is owed what it was once past
            self._begin, self._given = position.offset, None
        self._channels = (*self._channels, _bare(channel))
        self._since = (*self._since, position.offset)
        if dialect is Dialect.ECHO:
            self._echo = (*self._echo, channel.canonical)

    def respell(self, channel: Channel, dialect: Dialect) -> None:
        """From now on it hears a channel that it has under this name, in this dialect."""
        index = self.canonicals.index(channel.canonical)
        self._channels = (*self._channels[:index], _bare(channel), *self._channels[index + 1 :])
        self._echo = tuple(name for name in self._echo if name != channel.canonical)
        if dialect is Dialect.ECHO:
            self._echo = (*self._echo, channel.canonical)

    def confirm(self, given: Position | None) -> None:
        """It has received what it was given up to the last call's position, and was given all up to this
        one; None: nothing is known of either."""
        has = self._given if given is not None else None
        self._given = given
        if has is None:
            return
        self.proven = has.epoch
        if has.epoch == self._epoch:
            self._begin = max(self._begin, has.offset)

    def has(self, channel: Channel) -> bool:
        """Whether it has the channel."""
        return channel.canonical in self.canonicals

    def gets(self, publication: Publication, but: str, heard: Callable[[str], Position]) -> bool:
        """Whether the event comes, or came, to it through a channel it has other than ``but``.

        In Echo's dialect an event has a copy for each channel. So what its worker has ``heard`` of the other
        channel already came as that one's copy only; what it has not will come as both.
        """
        if len(publication.rooms) == 1:
            return False
        for canonical in self._owed_through(publication):
            if canonical == but:
                continue
            if not self._echo or (but not in self._echo and canonical not in self._echo):
                return True
            place = heard(canonical)
            if place.epoch != publication.epoch or publication.offset > place.offset:
                return True
        return False

    def copies(self, publication: Publication) -> tuple[str | None, ...]:
        """How it is given an event of the past: as None, in the plan's dialect, and under each name of
        Echo's."""
        if not self._echo:
            return (None,)
        named = {self.spelled(canonical): None for canonical in self._owed_through(publication)}
        return tuple(sorted(named, key=lambda name: name is not None))

    def _owed_through(self, publication: Publication) -> Iterator[str]:
        """The canonical names of its channels that bring it the event, in the event's order."""
        joined = dict(zip(self.canonicals, self._since, strict=True))
        comparable = publication.epoch == self._epoch
        for canonical in publication.rooms:
            if canonical in joined and not (comparable and publication.offset <= joined[canonical]):
                yield canonical

    def leave(self, canonical: str) -> bool:
        """Whether it had the channel."""
        try:
            index = self.canonicals.index(canonical)
        except ValueError:
            return False
        self._channels = self._channels[:index] + self._channels[index + 1 :]
        self._since = self._since[:index] + self._since[index + 1 :]
        self._joined = self._joined[: 4 * index] + self._joined[4 * index + 4 :]
        self._echo = tuple(name for name in self._echo if name != canonical)
        return True


def _bare(channel: Channel) -> str | Channel:
    return channel.canonical if channel.name == spell(channel.canonical) else channel
