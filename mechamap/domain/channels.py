"""Channel grammar: which names exist, what each is about, and the one canonical form that joins its
spellings.

A name that is not matched in full by one row of ``GRAMMAR`` does not exist. ``parseInt``-like leniency is how
``private-user.22abc`` became user 22's room in the server this one replaces, so ids are matched, never
converted first.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from .errors import InvalidChannel

MAX_NAME_LENGTH = 200
"""Characters. Pusher's limit too, so a name valid here is valid for Laravel's ``pusher`` driver."""

PRESENCE = "presence-"
"""Begins the names whose subscribers are members that the others see."""

# 1–19 digits: every signed 64-bit id fits; \d would also take ４２ and other scripts' digits.
_ID = r"(?P<target>[1-9][0-9]{0,18})"
# Dot-separated words; no empty word, so ``public..x`` and ``public.`` do not exist.
_TOPIC = r"(?P<topic>[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*)"


class ChannelKind(StrEnum):
    """What a channel is about; decides which rule judges it."""

    PUBLIC = "public"
    USER = "user"
    THREAD = "thread"
    FORUM = "forum"
    ADMIN = "admin"
    MODERATOR = "moderator"


GRAMMAR: tuple[tuple[str, ChannelKind, re.Pattern[str]], ...] = tuple(
    (spelling, kind, re.compile(pattern, re.ASCII))
    for spelling, kind, pattern in (
        ("public.{topic}", ChannelKind.PUBLIC, rf"public\.{_TOPIC}"),
        ("private-user.{id}", ChannelKind.USER, rf"private-user\.{_ID}"),
        ("presence-thread.{id}", ChannelKind.THREAD, rf"presence-thread\.{_ID}"),
        ("forum.{id}", ChannelKind.FORUM, rf"forum\.{_ID}"),
        ("admin.{topic}", ChannelKind.ADMIN, rf"admin\.{_TOPIC}"),
        ("moderator.{topic}", ChannelKind.MODERATOR, rf"moderator\.{_TOPIC}"),
    )
)
"""Each spelling once: (the form shown to people, the kind, the pattern that must match the whole name)."""
_BY_FIRST_WORD = {spelling.partition(".")[0]: (kind, pattern) for spelling, kind, pattern in GRAMMAR}


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
    kind, pattern = _BY_FIRST_WORD.get(name.partition(".")[0], (None, None))
    if pattern is not None and (match := pattern.fullmatch(name)) is not None:
        about = match[1]
        target = int(about) if match.lastgroup == "target" else None
        return Channel(name, kind, f"{kind._value_}:{about}", target)
    raise InvalidChannel(
        f"No channel has this name; names look like {', '.join(row[0] for row in GRAMMAR)}.",
        code="channel_unknown",
        field=field,
    )


def user_channel(user_id: int) -> Channel:
    """The private channel of one user, in the plan's spelling."""
    return Channel(f"private-user.{user_id}", ChannelKind.USER, f"user:{user_id}", user_id)


_NUMBERED = frozenset(kind for _, kind, pattern in GRAMMAR if "target" in pattern.groupindex)


def known_channel(canonical: str) -> Channel:
    """The channel of a canonical name that ``parse_channel`` made, in the plan's spelling."""
    kind, _, about = canonical.partition(":")
    known = ChannelKind(kind)
    return Channel(spell(canonical), known, canonical, int(about) if known in _NUMBERED else None)


def spell(canonical: str) -> str:
    """The plan's spelling of a canonical name, for people and lists: ``thread:7`` → ``presence-thread.7``."""
    kind, _, about = canonical.partition(":")
    for spelling, known, _ in GRAMMAR:
        if known.value == kind:
            return spelling.replace("{id}", about).replace("{topic}", about)
    return canonical
