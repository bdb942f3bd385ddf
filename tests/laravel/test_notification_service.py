"""UnifiedNotificationService::send: stored, and shown at once where the server is there."""

from collections.abc import Callable
from datetime import datetime

from tests.services.browser_client import BrowserClient
from tests.services.processes import free_port

from .conftest import KEY
from .site import Outcome, Site


def replied(site: Site, channels: list[str]) -> Outcome:
    return site.notify(2, "comment", "New reply", "Anna answered you", {"thread_id": 9}, channels)


def test_a_notification_reaches_the_user_s_browser(
    site: Site, browser_of: Callable[[int], BrowserClient]
) -> None:
    browser = browser_of(2)
    outcome = replied(site, ["database"])
    assert outcome.returned is True
    shown = browser.wait_for("notification.sent")[0]
    assert shown["id"] == outcome.stored == shown["unread_count"] == 1
    assert (shown["type"], shown["title"], shown["message"]) == ("comment", "New reply", "Anna answered you")
    assert shown["data"] == {"thread_id": 9}
    assert datetime.fromisoformat(shown["created_at"]).tzinfo


def test_a_notification_by_mail_only_is_not_shown(
    site: Site, browser_of: Callable[[int], BrowserClient]
) -> None:
    browser = browser_of(2)
    assert replied(site, ["mail"]).returned is True
    site.broadcast("private-user.2", "marker", {})
    browser.wait_for("marker")
    assert browser.events("notification.sent") == []


def test_a_notification_is_stored_when_the_server_is_away() -> None:
    outcome = replied(Site(f"http://127.0.0.1:{free_port()}", KEY), ["database"])
    assert outcome.returned is True
    assert outcome.stored == 1
    assert outcome.seconds < 1.5
