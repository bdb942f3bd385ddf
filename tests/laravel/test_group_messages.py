"""A message of a group is stored where Laravel clearly says so, and sent once whatever it says."""

import pytest

from mechamap.domain.errors import NotStored
from mechamap.domain.group_messages import GroupMessage
from mechamap.laravel.client import Bounds, LaravelClient
from mechamap.laravel.group_messages import LaravelGroupMessages
from tests.services.laravel_api import HTML, HUGE, REDIRECT, breaks_off, garbage, hangs, hangs_up, says

MESSAGE = GroupMessage("m-1", "Xin chào", "2026-11-26T01:00:00Z")
KEY = "mechamap_ws_key"


@pytest.fixture
def messages(laravel_api):
    client = LaravelClient(f"{laravel_api.url}/api/group-message", Bounds(total=0.5), once=True)
    return LaravelGroupMessages(client, KEY)


def test_laravel_is_told_who_says_what_in_which_group(messages, laravel_api):
    laravel_api.behaviour = says({"success": True, "data": {"id": 31}}, 201)
    assert messages.store(5, 7, MESSAGE) == 31
    [asked] = laravel_api.asked
    assert asked.path == "/api/group-message"
    assert asked.json() == {
        "id": "m-1",
        "group_id": 5,
        "user_id": 7,
        "message": "Xin chào",
        "timestamp": "2026-11-26T01:00:00Z",
    }
    assert (asked.headers["x-websocket-api-key"], asked.headers["idempotency-key"]) == (KEY, "m-1")


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"id": 5}, 5),
        ({"message": {"id": "01H"}}, "01H"),
        ({"success": True, "message": "Created", "data": {"success": True, "data": {"id": 9}}}, 9),
        ({"data": {"message": {"id": 4}}}, 4),
        ({}, None),
        ({"success": True, "id": True}, None),
        ({"id": "x" * 101}, None),
        ({"data": [{"id": 1}]}, None),
    ],
)
def test_the_id_of_the_stored_message_is_found_where_there_is_one(messages, laravel_api, body, known):
    laravel_api.behaviour = says(body)
    assert messages.store(5, 7, MESSAGE) == known


@pytest.mark.parametrize(
    ("behaviour", "unknown", "retry"),
    [
        (says({"message": "Not in the group"}, 403), False, False),
        (says({"errors": {}}, 422), False, False),
        (says(b"", 404), False, False),
        (says({"success": False}), False, False),
        (says({"success": "no"}), False, False),
        (says({"success": None}), False, False),
        (REDIRECT, False, False),
        (says({}, 429, Retry_After="7"), False, True),
        (says({}, 503), False, True),
        (says({"id": 1}, 500), True, False),
        (says(b""), True, False),
        (says(True), True, False),
        (says([{"id": 1}]), True, False),
        (HTML, True, False),
        (HUGE, True, False),
        (garbage, True, True),
        (hangs_up, True, True),
        (breaks_off, True, True),
        (hangs, True, True),
    ],
)
def test_what_is_not_clearly_stored_is_not_and_was_sent_once(
    messages, laravel_api, behaviour, unknown, retry
):
    laravel_api.behaviour = behaviour
    with pytest.raises(NotStored) as refused:
        messages.store(5, 7, MESSAGE)
    details = refused.value.details()
    assert refused.value.code == "group_message_not_stored"
    assert (details.get("outcome") == "unknown", details.get("retry", False)) == (unknown, retry)
    assert len(laravel_api.asked) == 1


def test_a_laravel_that_is_left_alone_surely_did_not_get_it(messages, laravel_api):
    laravel_api.behaviour = says({}, 429, Retry_After="60")
    for _ in range(2):
        with pytest.raises(NotStored) as refused:
            messages.store(5, 7, MESSAGE)
    assert len(laravel_api.asked) == 1
    assert "outcome" not in refused.value.details()
    assert refused.value.details()["retry"]
