"""What a key's scopes reach: kinds of channels, and those that have subscribers now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mechamap.domain.grammar import GRAMMAR


@dataclass(frozen=True, slots=True)
class Kind:
    """One form of name that is reached. ``whole``: all its channels, not only some."""

    shown: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """What a list of scopes means; with no scopes everything.

    Attributes:
        channels: the given ones that may be published to.
        idle: scopes that match no form of name this server knows; on a site with channels of its own they may
            still be right.
    """

    kinds: tuple[Kind, ...]
    channels: tuple[str, ...]
    idle: tuple[str, ...]


def reach(scopes: Sequence[str], channels: Iterable[str]) -> Reach:
    """What the scopes reach of the grammar and of ``channels`` (first spellings)."""
    first = {row.canonical: row.shown for row in reversed(GRAMMAR)}
    forms = {shown: _glob(shown) for shown in sorted(first.values())}
    if not scopes:
        return Reach(tuple(Kind(shown, True) for shown in forms), tuple(channels), ())
    kinds = tuple(
        Kind(shown, any(fnmatchcase(form, scope) for scope in scopes))
        for shown, form in forms.items()
        if any(_meet(scope, form) for scope in scopes)
    )
    within = tuple(name for name in channels if any(fnmatchcase(name, scope) for scope in scopes))
    idle = tuple(scope for scope in scopes if not any(_meet(scope, form) for form in forms.values()))
    return Reach(kinds, within, idle)


def _glob(shown: str) -> str:
    """``forum.{id}`` → ``forum.*``"""
    before, place, rest = shown.partition("{")
    return f"{before}*{rest.partition('}')[2]}" if place else shown


def _meet(one: str, other: str) -> bool:
    """Whether some text matches both patterns, in which ``*`` is any run of characters."""
    ends = {0}
    for sign in one:
        if sign == "*":
            ends = set(range(min(ends), len(other) + 1))
        else:
            reached = _skip(ends, other)
            # a star of the other may swallow this sign and stay
            ends = {at + 1 for at in reached if at < len(other) and other[at] == sign} | {
                at for at in reached if at < len(other) and other[at] == "*"
            }
        if not ends:
            return False
    return len(other) in _skip(ends, other)


def _skip(ends: set[int], other: str) -> set[int]:
    """Those places, and where a star there may be left out."""
    found = set(ends)
    for at in ends:
        while at < len(other) and other[at] == "*":
            at += 1
            found.add(at)
    return found
