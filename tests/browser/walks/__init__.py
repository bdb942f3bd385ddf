"""Walks through the console by the keyboard alone, each to the end of an act and to what it brought about.

A walk says which addresses of docs/CONSOLE.md it goes to; that it did is checked, by the method that acts
where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlencode

from playwright.sync_api import Page

from ..addresses import documented, is_of
from ..hands import Hands
from ..place import Operator, Place

_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Site:
    """What a walk may look at beside its own page.

    Attributes:
        demo: opens the page of a user, connected.
        other: an administrator who stands by, to prepare things and to read the audit log.
        token: a good one of user 2.
    """

    place: Place
    demo: Callable[..., Page]
    other: Operator
    token: str

    def listener(self, user_id: int, *channels: str) -> Page:
        """The page of a user who is in these channels too."""
        tab = self.demo(user_id)
        for channel in channels:
            tab.fill("#channel", channel)
            tab.click("#subscribe")
            tab.wait_for_selector(f"#joined >> text={channel}")
        return tab

    def fresh(self, name: str) -> str:
        """A name that nothing had before: walks are gone twice."""
        return f"{name} {next(_NUMBERS)}"

    def noted(self, action: str, target: str) -> str:
        """The audit log's row of what the administrator did to ``target``, or nothing."""
        asked = urlencode({"actor": "admin:1", "action": action, "target": target})
        page = self.other.get(f"/admin/audit/?{asked}").text
        return page.partition("<tbody>")[2].partition("</tr>")[0]


@dataclass(frozen=True, slots=True)
class Walk:
    go: Callable[[Hands, Site], None]
    addresses: tuple[str, ...]

    def left_out(self, went: list[tuple[str, str]]) -> list[str]:
        """The addresses that it did not go to, though it says so."""
        table = documented()
        return [
            address
            for address in self.addresses
            if ("POST" if "POST" in table[address][0] else "GET")
            not in {method for method, path in went if is_of(address, path)}
        ]


WALKS: list[Walk] = []


def walk(*addresses: str) -> Callable[[Callable[[Hands, Site], None]], Callable[[Hands, Site], None]]:
    def register(go: Callable[[Hands, Site], None]) -> Callable[[Hands, Site], None]:
        WALKS.append(Walk(go, addresses))
        return go

    return register


from . import connections, explaining, people, publishers  # noqa: E402, F401
