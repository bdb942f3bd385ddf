"""The application's own senders, by PHP's JSON and Laravel's HTTP client, to a browser."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.processes import clean_environment, program

from .conftest import KEY

SENDERS = Path(__file__).with_name("senders.php")


def test_what_php_sends_is_understood_and_comes_once(
    server: Application, browser_of: Callable[[int], BrowserClient]
) -> None:
    browser = browser_of(2)
    browser.wait_for("connected")
    ran = subprocess.run(
        [
            program("php"),
            "-d",
            "display_errors=stderr",
            "-d",
            "error_reporting=8191",
            SENDERS,
            server.url,
            KEY,
            "2",
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    told = json.loads(ran.stdout)
    wrong = told.pop("wrong")
    assert (wrong["status"], wrong["body"]["code"]) == (401, "key_invalid")
    assert {name: answer["status"] for name, answer in told.items()} == dict.fromkeys(told, 200)
    assert told["driver"]["body"]["channelCount"] == 2
    assert told["received"]["body"]["duplicate"] is True
    assert [row["status"] for row in told["received"]["body"]["results"]] == ["accepted", "withheld"]
    assert told["join"]["body"]["userId"] == 2
    assert told["stats"]["body"]["subscriberCount"] == 0

    browser.wait_for_many("notification", 2)
    published = [
        (event, args[0])
        for event, args in browser.history()
        if event in ("comment.created", "notification", "notification.received", "message_received")
    ]
    assert [event for event, _ in published] == [
        *("comment.created", "notification"),
        *("message_received", "notification"),  # one content under its two names
    ]
    comment, notification, message, again = (data for _, data in published)
    assert message == again == {"type": "message_received", "conversation_id": 6}
    assert comment == {
        "type": "comment.created",
        "comment": {"id": 9, "content": "Bu lông M8×40 – thép"},
    }
    assert (notification["id"], notification["title"], notification["unread_count"]) == (41, "Xin chào", 3)
