"""Channels: what a name stands for, and the one canonical form that joins its spellings.

A name outside the grammar does not exist. Where a site has an authoriser of its own, any other name that is
valid for Pusher exists too, as a channel of the site; a name that begins like one of ours never does.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from .errors import InvalidChannel
from .grammar import BY_FIRST_WORD, EXAMPLES, FIRST, NUMBERED, TOPICAL, ChannelKind

MAX_NAME_LENGTH = 200
"""Characters. Pusher's limit too, so a name valid here is valid for Laravel's ``pusher`` driver."""

PRESENCE = "presence-"
"""Begins the names whose subscribers are members that the others see."""
PRIVATE = "private-"
"""Begins the names that Pusher's and Laravel Echo's clients have authorised, as ``presence-`` does."""

_UNKNOWN = f"No channel has this name; names look like {EXAMPLES}."
# Pusher's characters; what looks like a socket's id (``12.34``) is none.
_SITE = re.compile(r"(?![0-9]+\.[0-9]+\Z)[-a-zA-Z0-9_=@,.;]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Channel:
    """A name that exists.

    Attributes:
        name: the spelling used by whoever named it; answers use it.
        kind: what it is about.
        canonical: the room all spellings share, for example ``thread:7``.
        target: the id in the name, for kinds that have one.
    """

    name: str
    kind: ChannelKind
    canonical: str
    target: int | None = None

    @property
    def presence(self) -> bool:
        """Whether its subscribers are members."""
        return self.name.startswith(PRESENCE)

    @property
    def guarded(self) -> bool:
        """Whether Pusher's and Laravel Echo's clients have it authorised."""
        return self.name.startswith((PRIVATE, PRESENCE))


class Parse(Protocol):
    """Finds the channel of a name: ``parse_channel``, or ``parse_channel_of_site``."""

    def __call__(self, name: object, field: str = "channel") -> Channel: ...


def parse_channel(name: object, field: str = "channel") -> Channel:
    """The channel called ``name``.

    Raises:
        InvalidChannel: not a string, empty, too long, or outside the grammar; names ``field``.
    """
    if not isinstance(name, str) or not name:
        raise InvalidChannel("Channel is required", code="channel_required", field=field)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidChannel(
            f"The channel name has {len(name)} characters; the limit is {MAX_NAME_LENGTH}.",
            code="channel_too_long",
            field=field,
        )
    found = BY_FIRST_WORD.get(name.partition(".")[0])
    if found is not None and (match := found[0](name)) is not None:
        group: int = match.lastindex  # type: ignore[assignment]  # every alternative has its group
        form, about = found[1][group - 1], match[group]
        target = int(about) if form.numbered else None
        return Channel(name, form.kind, form.before + about + form.after, target)
    raise InvalidChannel(_UNKNOWN, code="channel_unknown", field=field)


def parse_channel_of_site(name: object, field: str = "channel") -> Channel:
    """The same where the site has channels of its own: those are all names that are valid for Pusher and
    begin with no word of ours.

    Raises:
        InvalidChannel
    """
    try:
        return parse_channel(name, field)
    except InvalidChannel:
        if (
            not isinstance(name, str)
            or len(name) > MAX_NAME_LENGTH
            or name.partition(".")[0] in BY_FIRST_WORD
            or _SITE.fullmatch(name) is None
        ):
            raise
    return Channel(name, ChannelKind.SITE, f"{ChannelKind.SITE}:{name}")


def parser(*, site_channels: bool) -> Parse:
    """How names are read where the site has channels of its own, and where it has none."""
    return parse_channel_of_site if site_channels else parse_channel


def user_channel(user_id: int) -> Channel:
    """The private channel of one user, in the plan's spelling."""
    return Channel(f"private-user.{user_id}", ChannelKind.USER, f"user:{user_id}", user_id)


def known_channel(canonical: str) -> Channel:
    """The channel of a canonical name that parsing made, in the first of its spellings."""
    kind, _, about = canonical.partition(":")
    number = about.partition(".")[0] if kind in NUMBERED else ""
    target = int(number) if number.isdigit() else None
    return Channel(spell(canonical), ChannelKind(kind), canonical, target)


def spell(canonical: str) -> str:
    """The first spelling of a canonical name, for people and lists: ``thread:7`` → ``presence-thread.7``."""
    kind, _, about = canonical.partition(":")
    if kind in NUMBERED:
        number, dot, topic = about.partition(".")
        form = FIRST.get(f"{kind}:{{id}}{dot}{topic}") if number.isdigit() else FIRST.get(canonical)
        if form is not None:
            return form.before + (number if form.numbered else "") + form.after
    elif (form := TOPICAL.get(kind)) is not None:
        return form.before + about + form.after
    elif kind == ChannelKind.SITE:
        return about
    return canonical
