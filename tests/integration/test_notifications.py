"""Marking notifications as read, and the user's other devices."""

import time


def test_marking_as_read_is_stored_and_clears_the_users_other_devices(site, laravel_rows):
    laravel_rows("UPDATE notifications SET is_read = 0, read_at = NULL")
    desk, phone, stranger = site.browser(2), site.browser(2, transports=["polling"]), site.browser(3)
    answer = desk.emit_ack("notification_read", {"notificationId": 100})
    assert (answer["success"], answer["notificationId"], answer["unreadCount"]) == (True, 100, 1)
    assert (answer["unread_count"], answer["synced"]) == (1, True)
    told = phone.wait_for("notification_read")[0]
    assert (told["notificationId"], told["unreadCount"], told["readBy"]) == (100, 1, 2)
    assert phone.wait_for("notification.read")[0]["notification_id"] == 100
    count = {"user_id": 2, "unread_count": 1, "updated_at": answer["timestamp"]}
    assert phone.wait_for("unread.count.updated")[0] == count
    assert desk.wait_for("unread.count.updated")[0] == count
    [(read, read_at)] = laravel_rows("SELECT is_read, read_at FROM notifications WHERE id = 100")
    assert read == 1
    assert read_at
    time.sleep(0.2)
    for event in ("notification_read", "notification.read"):
        assert desk.events(event) == []
    for event in ("notification_read", "notification.read", "unread.count.updated"):
        assert stranger.events(event) == []


def test_the_id_may_be_text_a_list_or_bare(site, laravel_rows):
    browser = site.browser(2)
    for payload in (
        {"notificationId": "100"},
        {"notification_id": 100},
        {"notificationId": [100, "101"]},
        101,
    ):
        laravel_rows("UPDATE notifications SET is_read = 0, read_at = NULL")
        assert browser.emit_ack("notification_read", payload)["success"] is True
    assert laravel_rows("SELECT is_read FROM notifications WHERE id = 101") == [(1,)]


def test_anothers_notification_cannot_be_marked(site, laravel_rows):
    laravel_rows("UPDATE notifications SET is_read = 0, read_at = NULL")
    browser, owner = site.browser(2), site.browser(3)
    for wanted in (200, 999, 2**62, -1, "x"):
        answer = browser.emit_ack("notification_read", {"notificationId": wanted})
        assert "error" in answer
        assert browser.wait_for("notification_error") == [answer]
    assert laravel_rows("SELECT is_read FROM notifications WHERE id = 200") == [(0,)]
    time.sleep(0.2)
    assert owner.events("notification_read") == []
