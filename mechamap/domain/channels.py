"""Channel grammar: which names exist, what each is about, and the one canonical form that joins its
spellings.

A name that is not matched in full by one row of ``GRAMMAR`` does not exist. ``parseInt``-like leniency is how
``private-user.22abc`` became user 22's room in the server this one replaces, so ids are matched, never
converted first. Where a site has an authoriser of its own, any other name that is valid for Pusher exists
too, as a channel of the site; a name that begins like one of ours never does.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from .errors import InvalidChannel

MAX_NAME_LENGTH = 200
"""Characters. Pusher's limit too, so a name valid here is valid for Laravel's ``pusher`` driver."""

PRESENCE = "presence-"
"""Begins the names whose subscribers are members that the others see."""
PRIVATE = "private-"
"""Begins the names that Pusher's and Laravel Echo's clients have authorised, as ``presence-`` does."""


class ChannelKind(StrEnum):
    """What a channel is about; decides which rule judges it. SITE: what only Laravel knows."""

    PUBLIC = "public"
    USER = "user"
    THREAD = "thread"
    FORUM = "forum"
    CONVERSATION = "conversation"
    GROUP = "group"
    SHOWCASE = "showcase"
    PRODUCT = "product"
    ORDERS = "orders"
    SELLER = "seller"
    ROLE = "role"
    ADMIN = "admin"
    MODERATOR = "moderator"
    SYSTEM = "system"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Spelling:
    """One form of name. ``{id}`` stands for a number, ``{topic}`` for words joined by dots, ``{role}`` for a
    role's name.

    Attributes:
        shown: the form, for people.
        kind: what such channels are about.
        canonical: the form of their canonical names.
    """

    shown: str
    kind: ChannelKind
    canonical: str

    @property
    def numbered(self) -> bool:
        """Whether its names hold an id."""
        return "{id}" in self.shown


GRAMMAR: tuple[Spelling, ...] = tuple(
    Spelling(shown, kind, f"{kind}:{about}")
    for kind, about, spellings in (
        (ChannelKind.PUBLIC, "{topic}", ("public.{topic}",)),
        (ChannelKind.PUBLIC, "notifications", ("notifications",)),
        (ChannelKind.USER, "{id}", ("private-user.{id}", "user.{id}")),
        (ChannelKind.USER, "{id}.messages", ("user.{id}.messages",)),
        (ChannelKind.USER, "{id}.orders", ("user.{id}.orders",)),
        (ChannelKind.USER, "{id}.following", ("user.{id}.following", "following.{id}")),
        (ChannelKind.THREAD, "{id}", ("presence-thread.{id}", "thread.{id}", "private-thread.{id}")),
        (ChannelKind.FORUM, "{id}", ("forum.{id}", "private-forum.{id}")),
        (ChannelKind.CONVERSATION, "{id}", ("conversation.{id}", "private-conversation.{id}")),
        (ChannelKind.GROUP, "{id}", ("group.{id}", "private-group.{id}")),
        (ChannelKind.SHOWCASE, "{id}", ("showcase.{id}",)),
        (ChannelKind.PRODUCT, "{id}", ("product.{id}",)),
        (ChannelKind.PRODUCT, "global", ("marketplace.global",)),
        (ChannelKind.ORDERS, "{id}", ("marketplace.orders.{id}", "private-marketplace.orders.{id}")),
        (
            ChannelKind.SELLER,
            "{id}",
            ("marketplace.seller.{id}", "private-marketplace.seller.{id}", "seller.{id}"),
        ),
        (ChannelKind.ROLE, "{role}", ("notifications.role.{role}", "private-notifications.role.{role}")),
        (ChannelKind.ADMIN, "{topic}", ("admin.{topic}", "private-admin.{topic}")),
        (ChannelKind.MODERATOR, "{topic}", ("moderator.{topic}",)),
        (ChannelKind.SYSTEM, "{topic}", ("system.{topic}",)),
    )
    for shown in spellings
)
"""Every spelling once; the first of those that share a canonical form is the one shown in lists."""

_PLACES = {
    # 1–19 digits: every signed 64-bit id fits; \d would also take ４２ and other scripts' digits.
    "{id}": r"([1-9][0-9]{0,18})",
    # No empty word, so ``public..x`` and ``public.`` do not exist.
    "{topic}": r"([A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*)",
    "{role}": r"([a-z][a-z0-9_]*)",
}
_PLACE = re.compile(r"(\{[a-z]+\})")
# Pusher's characters; what looks like a socket's id (``12.34``) is none.
_SITE = re.compile(r"(?![0-9]+\.[0-9]+\Z)[-a-zA-Z0-9_=@,.;]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a matched name becomes its canonical one: what stands before and after the part that varies."""

    kind: ChannelKind
    before: str
    after: str
    numbered: bool


def _form(row: Spelling, template: str) -> _Form:
    before, _, rest = template.partition("{")
    return _Form(row.kind, before, rest.partition("}")[2], row.numbered)


def _pattern(shown: str) -> str:
    """The regular expression of a spelling; it has exactly one group, empty where nothing varies."""
    before, place, after = _PLACE.split(shown) if "{" in shown else (shown, "", "")
    return re.escape(before) + _PLACES.get(place, "()") + re.escape(after)


def _by_first_word() -> dict[str, tuple[Callable[[str], re.Match[str] | None], tuple[_Form, ...]]]:
    """First word → what matches the whole of its names, and the form of each of its groups."""
    rows: dict[str, list[Spelling]] = {}
    for row in GRAMMAR:
        rows.setdefault(row.shown.partition(".")[0], []).append(row)
    return {
        word: (
            re.compile("|".join(_pattern(row.shown) for row in those), re.ASCII).fullmatch,
            tuple(_form(row, row.canonical) for row in those),
        )
        for word, those in rows.items()
    }


_BY_FIRST_WORD = _by_first_word()
_NUMBERED = frozenset(row.kind.value for row in GRAMMAR if row.numbered)
# canonical name with the part that varies left open → what stands before and after it in the first spelling
_FIRST = {row.canonical: _form(row, row.shown) for row in reversed(GRAMMAR)}
_TOPICAL = {
    row.kind.value: _FIRST[row.canonical]
    for row in reversed(GRAMMAR)
    if not row.numbered and "{" in row.shown
}
_PLAIN = {row.kind: row.shown for row in reversed(GRAMMAR)}  # the first spelling of each kind, in reverse
_UNKNOWN = f"No channel has this name; names look like {', '.join(reversed(_PLAIN.values()))}."


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
    found = _BY_FIRST_WORD.get(name.partition(".")[0])
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
            or name.partition(".")[0] in _BY_FIRST_WORD
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
    number = about.partition(".")[0] if kind in _NUMBERED else ""
    target = int(number) if number.isdigit() else None
    return Channel(spell(canonical), ChannelKind(kind), canonical, target)


def spell(canonical: str) -> str:
    """The first spelling of a canonical name, for people and lists: ``thread:7`` → ``presence-thread.7``."""
    kind, _, about = canonical.partition(":")
    if kind in _NUMBERED:
        number, dot, topic = about.partition(".")
        form = _FIRST.get(f"{kind}:{{id}}{dot}{topic}") if number.isdigit() else _FIRST.get(canonical)
        if form is not None:
            return form.before + (number if form.numbered else "") + form.after
    elif (form := _TOPICAL.get(kind)) is not None:
        return form.before + about + form.after
    elif kind == ChannelKind.SITE:
        return about
    return canonical
