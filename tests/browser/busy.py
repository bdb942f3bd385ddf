"""A console with plenty on every page: names as long as they may be, old secrets, blocks, many sessions."""

import html
import re
from dataclasses import dataclass

from .place import Operator, Place

LONG_NAME = "laravel-production.marketplace-and-forums_of-the-southern-region"
"""As long as a name of a key or an app may be: 64 characters."""
LONG_CHANNEL = "public." + "announcements-of-the-marketplace-for-sellers-of-the-southern-region" * 3
LONG_CHANNEL = LONG_CHANNEL[:200]
LONG_EVENT = "App-Events-Marketplace-" + "OrderWasPartiallyShippedToAnotherAddress" * 4
PERSON = "Nguyễn-Phúc Trần Thị Maria-Theresia von Hohenberg-Lichtenstein der Jüngere"
REASON = ("The account wrote the same advertisement into forty threads; " * 4)[:199].strip() + "."
AGENT = (
    "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/24.0 Chrome/117.0.0.0 Mobile Safari/537.36"
)
FAR = "2001:db8:85a3:8d3:1319:8a2e:370:7348"
"""An address as long as they are; the server trusts the proxy that says so."""
DATA = {
    "title": "Two 6208-2RS bearings are on their way",
    "link": "https://mechamap.test/marketplace/orders/4711?" + "utm_campaign=autumn&" * 20,
    "unbroken": "x" * 300,
    "items": [{"id": number, "name": "Bearing 6208-2RS", "price": 129_000} for number in range(3)],
}
SETTINGS = {
    "HISTORY_SECONDS": "3600",  # the events are still there when the last page is looked at
    "HISTORY_USER_SECONDS": "3600",
    "TRUSTED_PROXIES": "127.0.0.1",
    "CHANNEL_AUTH": "rules,laravel",
    "PUSHER_APP_ID": "1001",
    "PUSHER_APP_KEY": "key-of-settings",
    "PUSHER_APP_SECRET": "secret-of-settings",
}


@dataclass(frozen=True, slots=True)
class Busy:
    """What the pages are about. The ids of keys are those of rows, of sessions too."""

    key: int
    old_secret: int
    revoked: int
    crowded: int
    session: int
    position: str
    publication: str
    token: str


def furnish(place: Place) -> Busy:
    """Fill the console. People that the demonstration made get longer names and other roles."""
    place.sql("UPDATE users SET name = ? WHERE id = 3", PERSON)
    for login in (place.login, "dung@mechamap.test"):
        place.operator(login)
    operator = place.operator()
    made = {
        name: made_key(operator, name, scopes)
        for name, scopes in (
            (LONG_NAME, f"forum.* nothing.* {LONG_CHANNEL}"),
            ("revoked", ""),
            ("crowded", ""),
        )
    }
    for name, times in ((LONG_NAME, 1), ("crowded", 3)):
        for _ in range(times):
            path = f"/admin/keys/{made[name]}/rotate"
            operator.submit(path, path, keep="3600")
            made[name + " old"], made[name] = made[name], newest_key(operator)
    operator.submit("/admin/keys/", f"/admin/keys/{made['revoked']}/revoke")
    operator.submit("/admin/apps/", "/admin/apps/create", name=LONG_NAME, id="77", key="k" * 60)
    operator.submit("/admin/apps/", "/admin/apps/create", name="off", id="78")
    operator.submit("/admin/apps/", "/admin/apps/77/rotate")
    operator.submit("/admin/apps/", "/admin/apps/78/disable")
    page = "/admin/blocks/block?user_id=5"
    operator.submit(page, "/admin/blocks/block", user_id="5", minutes="99999", reason=REASON)
    sent = place.broadcast(LONG_CHANNEL, LONG_EVENT, DATA).json()
    for number in range(12):
        place.broadcast("private-user.2", f"looked.at-{number}", {"id": number})
    people = operator.get("/admin/people/").text
    return Busy(
        made[LONG_NAME],
        made[LONG_NAME + " old"],
        made["revoked"],
        made["crowded"],
        int(re.search(r"/admin/people/end\?id=(\d+)", people)[1]),
        f"{sent['epoch']}.{sent['offset']}",
        sent["id"],
        place.token(2),
    )


def made_key(operator: Operator, name: str, scopes: str) -> int:
    operator.submit("/admin/keys/", "/admin/keys/create", name=name, scopes=scopes)
    return newest_key(operator)


def newest_key(operator: Operator) -> int:
    return max(map(int, re.findall(r"/admin/keys/(\d+)/scopes", operator.get("/admin/keys/").text)))


def connection_of(operator: Operator, user_id: int) -> str:
    page = operator.get(f"/admin/connections/?user_id={user_id}").text
    return html.unescape(re.search(r'<tr data-key="([^"]+)"', page)[1])
