"""A client that keeps its own position subscribes with it, whatever else it has going on."""

import threading

import pytest

from .conftest import KEY, Site
from .test_cluster import cluster  # noqa: F401  (a fixture)
from .test_recovery import WEBSOCKET, away, browse, numbers, received


def subscribe(browser, channel: str, since: object = None) -> dict:
    return browser.emit_ack("subscribe", {"channel": channel, "since": since})


def place(answer: dict) -> dict:
    return {"epoch": answer["epoch"], "offset": answer["offset"]}


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
def test_what_was_missed_comes_with_the_subscription(site: Site, transports):
    first = subscribe(site.browser(transports=transports), "public.since")
    numbers(site, "public.since", 0, 5)
    browser = site.browser(transports=transports)
    answer = subscribe(browser, "public.since", place(first))
    assert (answer["status"], answer["recovered"], answer["count"]) == ("success", True, 5)
    numbers(site, "public.since", 5, 2)
    assert received(browser, 7) == list(range(7))
    assert browser.wait_for_many("subscribed", 2)[1][0] == answer
    again = site.browser(transports=transports)
    assert subscribe(again, "public.since", place(answer))["count"] == 2


def test_the_greeting_says_where_the_own_channel_is(site: Site):
    [greeting] = site.browser().events("subscribed")[0][:1]
    numbers(site, "private-user.2", 0, 3)
    browser = site.browser()
    browser.emit_ack("unsubscribe", {"channel": "private-user.2"})
    answer = subscribe(browser, "private-user.2", place(greeting))
    assert (answer["recovered"], answer["count"]) == (True, 3)
    assert received(browser, 3) == [0, 1, 2]


def test_the_text_behind_an_event_is_a_position_too(site: Site):
    browser = site.browser()
    subscribe(browser, "public.behind")
    numbers(site, "public.behind", 0, 1)
    [(_, offset)] = browser.wait_for_many("n", 1)
    numbers(site, "public.behind", 1, 1)
    assert subscribe(site.browser(), "public.behind", offset)["count"] == 1


@pytest.mark.parametrize(
    "since",
    [7, "x", [], {}, {"epoch": "a"}, {"epoch": "a", "offset": -1}, {"epoch": 1, "offset": 1},
     {"epoch": "a", "offset": "1"}, {"epoch": "a", "offset": True}, {"epoch": "a:b", "offset": 1},
     {"epoch": "a", "offset": 1.5}, {"epoch": "a", "offset": 1e15}],
)  # fmt: skip
def test_a_position_that_is_none_is_refused_and_nothing_joined(site: Site, since):
    browser = site.browser()
    answer = subscribe(browser, "public.wrong", since)
    assert answer["code"] == "since_invalid"
    assert answer["channel"] == "public.wrong"
    site.broadcast("public.wrong", "n", 1)
    site.broadcast("private-user.2", "end")
    browser.wait_for("end")
    assert browser.events("n") == []


def test_what_cannot_be_proven_is_said_and_live_events_come(site: Site):
    browser = site.browser()
    answer = subscribe(browser, "public.unproven", {"epoch": "elsewhen", "offset": 1})
    assert (answer["recovered"], answer["reason"], answer["count"]) == (False, "epoch_changed", 0)
    numbers(site, "public.unproven", 0, 1)
    assert received(browser, 1) == [0]


def test_a_channel_is_joined_from_a_position_while_events_are_published(cluster):  # noqa: F811
    """Again and again; another channel that the client has goes on meanwhile."""
    site = cluster
    start = place(subscribe(site.browser(), "public.joined"))
    browser = site.browser()
    subscribe(browser, "public.live")
    done = threading.Event()
    sent = {"live": 0, "joined": 0}

    def publish(name: str) -> None:
        while not done.is_set() and sent[name] < 400:
            assert site.broadcast(f"public.{name}", name, sent[name]).status == 200
            sent[name] += 1

    threads = [threading.Thread(target=publish, args=(name,)) for name in sent]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            seen = len(browser.events("joined"))
            answer = subscribe(browser, "public.joined", start)
            assert answer["recovered"] is True
            browser.emit_ack("unsubscribe", {"channel": "public.joined"})
            got = browser.events("joined")[seen:]
            start = got[-1][1] if got else place(answer)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    subscribe(browser, "public.joined", start)
    site.broadcast("public.joined", "end")
    browser.wait_for("end")
    for name, count in sent.items():
        assert [n for n, _ in browser.events(name)] == list(range(count))


def test_a_stock_client_returns_to_where_all_its_channels_were(site: Site):
    """The events that a subscription brings are older than what it has: that must not move it back."""
    start = place(subscribe(site.browser(), "public.old"))
    browser = browse(site, 2, "public.new")
    numbers(site, "public.old", 0, 2)
    numbers(site, "public.new", 10, 2)
    assert received(browser, 2) == [10, 11]
    assert subscribe(browser, "public.old", start)["count"] == 2
    assert received(browser, 2) == [0, 1]
    away(browser, lambda: numbers(site, "public.new", 12, 1))
    assert received(browser, 1) == [12]
    assert [n for n, _ in browser.events("n")] == [10, 11, 0, 1, 12]
    assert browser.state()["recovered"] is True


def test_history_pages_over_http_and_a_page_goes_on_where_a_client_is(site: Site):
    start = place(subscribe(site.browser(), "public.pages"))
    numbers(site, "public.pages", 0, 3)
    query = f"?epoch={start['epoch']}&offset={start['offset']}&limit=2"
    answer = site.server.request(
        "GET", f"/api/channels/public.pages/history{query}", headers={"X-API-Key": KEY}
    ).json()
    assert [event["data"] for event in answer["events"]] == [0, 1]
    rest = subscribe(site.browser(**WEBSOCKET), "public.pages", {**start, "offset": answer["position"]})
    assert rest["count"] == 1
