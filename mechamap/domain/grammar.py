"""Channel grammar: which forms of name exist, and the patterns that find a name's form.

A name that is not matched in full by one row of ``GRAMMAR`` is none of ours. ``parseInt``-like leniency is
how ``private-user.22abc`` became user 22's room in the server this one replaces, so ids are matched, never
converted first.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Form:
    """How a matched name becomes its canonical one: what stands before and after the part that varies."""

    kind: ChannelKind
    before: str
    after: str
    numbered: bool


def _form(row: Spelling, template: str) -> Form:
    before, _, rest = template.partition("{")
    return Form(row.kind, before, rest.partition("}")[2], row.numbered)


def _pattern(shown: str) -> str:
    """The regular expression of a spelling; it has exactly one group, empty where nothing varies."""
    before, place, after = _PLACE.split(shown) if "{" in shown else (shown, "", "")
    return re.escape(before) + _PLACES.get(place, "()") + re.escape(after)


def _by_first_word() -> dict[str, tuple[Callable[[str], re.Match[str] | None], tuple[Form, ...]]]:
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


BY_FIRST_WORD = _by_first_word()
NUMBERED = frozenset(row.kind.value for row in GRAMMAR if row.numbered)
"""The kinds that have names with an id."""
FIRST = {row.canonical: _form(row, row.shown) for row in reversed(GRAMMAR)}
"""Canonical name with the part that varies left open → what stands before and after it in the first
spelling."""
TOPICAL = {
    row.kind.value: FIRST[row.canonical] for row in reversed(GRAMMAR) if not row.numbered and "{" in row.shown
}
"""The same by the kind, for those whose names hold words."""
_PLAIN = {row.kind: row.shown for row in reversed(GRAMMAR)}  # the first spelling of each kind, in reverse
EXAMPLES = ", ".join(reversed(_PLAIN.values()))
"""A spelling of each kind, for people."""
