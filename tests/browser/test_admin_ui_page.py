"""The public Socket.IO Admin UI's own page, on an origin of its own, in Chromium."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.services.processes import wait_until

from .admin_ui_page import AdminUi, AdminUiSite
from .place import Place, Seeded, flask

VIEWER = "dung@mechamap.test"


@pytest.fixture(scope="module")
def site() -> Iterator[AdminUiSite]:
    site = AdminUiSite()
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def place(serve_module, seeded: Seeded, site: AdminUiSite) -> Place:
    return seeded.place(serve_module, ADMIN_UI="on", RATE_LIMITS="off", ALLOWED_ORIGINS=site.url)


@pytest.fixture
def open_ui(open_page: Callable[..., Page], site: AdminUiSite) -> Callable[..., AdminUi]:
    """Opens the page, signed in where a place is named."""

    def open_it(place: Place | None = None, login: str = "", **options: Any) -> AdminUi:
        ui = AdminUi(open_page(), site)
        if place is not None:
            ui.sign_in(place.url, login or place.login, place.password, **options)
            ui.expect_connected()
        return ui

    return open_it


@pytest.fixture
def browser(node_client) -> Callable[..., Any]:
    """A browser of the site."""
    tokens: dict[tuple[str, int], str] = {}

    def connect(place: Place, user_id: int, **options: Any):
        key = (place.url, user_id)
        if key not in tokens:
            tokens[key] = flask(place.server.settings, "tokens", "issue", str(user_id)).strip()
        options = {"transports": ["websocket"], **options}
        found = node_client().connect(place.url, auth={"token": tokens[key]}, **options)
        found.wait_for("connected")
        return found

    return connect


def trail(place: Place, action: str) -> list[dict[str, Any]]:
    """What the audit log has of this, the newest first."""
    return [
        json.loads(line)
        for line in place.operator().get(f"/admin/audit/export?action={action}").text.splitlines()
    ]


@pytest.mark.parametrize("websocket_only", [True, False], ids=["websocket", "polling first"])
def test_an_operator_sees_every_page(open_ui, place, browser, websocket_only):
    first, second = browser(place, 2), browser(place, 3, transports=["polling"])
    first.emit_ack("subscribe", {"channel": "public.seen"})
    ui = open_ui(place, websocket_only=websocket_only)
    clients = ui.card("Clients").locator("tr")
    expect(clients.filter(has_text="WebSocket")).to_have_text(re.compile(r"WebSocket\s*1\s*50.0 %"))
    expect(clients.filter(has_text="polling")).to_have_text(re.compile(r"HTTP long-polling\s*1\s*50.0 %"))
    expect(ui.card("Namespaces").locator("tbody tr")).to_have_text(re.compile(r"/\s*2"))
    ui.open("Servers")
    expect(ui.row(str(place.server.workers()[0]))).to_contain_text("Healthy")
    ui.open("Clients")
    expect(ui.row(second.id.partition(".")[0])).to_contain_text("HTTP long-polling")
    ui.open("Sockets")
    expect(ui.row(second.id)).to_contain_text("127.0.0.1")
    ui.row(first.id).click()
    ui.arrive("Socket details")
    for told in (first.id, '"name": "Binh"', "private-user.2", "public.seen"):
        expect(ui.main).to_contain_text(told)
    ui.main.get_by_role("link", name=first.id.partition(".")[0], exact=True).click()
    ui.arrive("Client details")
    expect(ui.row(first.id)).to_contain_text("/")
    ui.open("Rooms")
    expect(ui.row("public.seen")).to_contain_text(re.compile(r"Public\s*1"))
    ui.row("public.seen").click()
    ui.arrive("Room details")
    expect(ui.main).to_contain_text("Active")
    expect(ui.row(first.id)).to_contain_text("WebSocket")


def test_who_comes_appears_and_who_leaves_is_gone_although_nobody_was_there(
    serve, seeded, site, browser, open_ui
):
    place = seeded.place(serve, ADMIN_UI="on", RATE_LIMITS="off", ALLOWED_ORIGINS=site.url)
    ui = open_ui(place)
    ui.open("Sockets")
    expect(ui.main).to_contain_text("No data available")
    client = browser(place, 2)
    client.emit_ack("subscribe", {"channel": "public.brief"})
    expect(ui.row(client.id)).to_contain_text("WebSocket")
    ui.open("Rooms")
    expect(ui.row("public.brief")).to_have_count(1)
    sid = client.id
    client.disconnect()
    expect(ui.row("public.brief")).to_have_count(0)
    ui.main.get_by_text("Show private rooms?").click()
    expect(ui.main).to_contain_text("No data available")
    for name in ("Clients", "Sockets"):
        ui.open(name)
        expect(ui.main).to_contain_text("No data available")
    ui.open("Events")
    for what in ("Connection", "Room joined", "Room left", "Disconnection"):
        expect(ui.row(sid).filter(has_text=what).first).to_be_visible()
    ui.open("Dashboard")
    expect(ui.card("Connection and disconnection events").locator("canvas")).to_be_visible()
    events = "document.querySelector('#app').__vue__.$store.state.main.aggregatedEvents.map(one => one.type)"
    wait_until(
        lambda: {"rawConnection", "rawDisconnection"} <= set(ui.page.evaluate(events)), "the chart's bars"
    )


def test_an_operator_disconnects_a_client(open_ui, place, browser):
    client, other = browser(place, 2), browser(place, 3)
    sid = client.id
    ui = open_ui(place)
    ui.open("Sockets")
    ui.row(sid).get_by_role("button").click()
    assert client.wait_for("force_disconnect")[0]["code"] == "operator"
    # the click opens the socket's page as well
    ui.arrive("Socket details")
    expect(ui.main).to_contain_text("disconnected")
    ui.open("Sockets")
    expect(ui.row(other.id)).to_have_count(1)
    expect(ui.row(sid)).to_have_count(0)
    assert trail(place, "connection.close")[0]["target"] == f"connection:{sid}"


def test_an_operator_disconnects_all_of_a_room(open_ui, place, browser):
    clients, other = [browser(place, 2), browser(place, 3)], browser(place, 3)
    for client in clients:
        client.emit_ack("subscribe", {"channel": "public.emptied"})
    ui = open_ui(place)
    ui.open("Rooms")
    ui.row("public.emptied").get_by_role("button").click()
    for client in clients:
        client.wait_for("force_disconnect")
    ui.arrive("Room details")
    expect(ui.main).to_contain_text("Deleted")
    assert other.connected()
    assert trail(place, "connection.close")[0]["target"] == "channel:public.emptied"


def test_an_operator_lets_a_client_into_a_room_and_takes_it_out(open_ui, place, browser):
    client = browser(place, 2)
    ui = open_ui(place)
    ui.open("Sockets")
    ui.row(client.id).click()
    ui.arrive("Socket details")
    ui.main.get_by_label("Join a room").fill("public.let-in")
    ui.main.locator("form").get_by_role("button").last.click()
    client.wait_for("subscribed")
    expect(ui.row("public.let-in")).to_have_count(1)
    ui.row("public.let-in").get_by_role("button").click()
    client.wait_for("unsubscribed")
    # the click opens the room's page as well
    ui.arrive("Room details")
    expect(ui.main).to_contain_text("Deleted")
    for action in ("channel.join", "channel.leave"):
        [row] = trail(place, action)
        assert (row["target"], row["outcome"]) == ("user:2", "ok")
        assert "public.let-in" in row["detail"]


def test_a_refused_command_is_among_the_events(open_ui, place, browser):
    client = browser(place, 2)
    ui = open_ui(place)
    ui.open("Sockets")
    ui.row(client.id).click()
    ui.arrive("Socket details")
    ui.main.get_by_label("Join a room").fill("no such room")
    ui.main.locator("form").get_by_role("button").last.click()
    ui.open("Events")
    expect(ui.row("join refused: channel_unknown")).to_have_count(1)


def test_a_viewer_has_nothing_to_press_but_a_form_that_is_refused(open_ui, place, browser):
    client = browser(place, 2)
    ui = open_ui(place, login=VIEWER)
    ui.open("Clients")
    expect(ui.row(client.id.partition(".")[0])).to_have_count(1)
    expect(ui.row(client.id.partition(".")[0]).get_by_role("button")).to_have_count(0)
    ui.open("Rooms")
    expect(ui.row("private-user.2")).to_have_count(1)
    expect(ui.row("private-user.2").get_by_role("button")).to_have_count(0)
    ui.open("Sockets")
    expect(ui.row(client.id)).to_have_count(1)
    expect(ui.row(client.id).get_by_role("button")).to_have_count(0)
    ui.row(client.id).click()
    ui.arrive("Socket details")
    expect(ui.row("private-user.2").get_by_role("button")).to_have_count(0)
    # the page hides it from nobody
    ui.main.get_by_label("Join a room").fill("public.viewed")
    ui.main.locator("form").get_by_role("button").last.click()
    ui.open("Events")
    row = ui.row("join refused: permission_missing")
    row.get_by_role("button").click()
    expect(ui.main).to_contain_text("This needs the permission «operate».")
    assert trail(place, "channel.join")[0]["outcome"] == "permission_missing"


def test_a_wrong_password_is_called_so_and_the_right_one_may_follow(open_ui, place):
    ui = open_ui()
    ui.sign_in(place.url, place.login, "wrong")
    expect(ui.page.locator("form")).to_contain_text("Invalid credentials")
    ui.sign_in(place.url, place.login, place.password)
    ui.expect_connected()


def test_a_page_of_a_stranger_s_origin_does_not_get_in(open_page, place, page_errors):
    strange = AdminUiSite()
    strange.start()
    ui = AdminUi(open_page(), strange)
    for websocket_only, said in ((True, "websocket error"), (False, "xhr poll error")):
        ui.sign_in(place.url, place.login, place.password, websocket_only=websocket_only)
        expect(ui.page.locator("form")).to_contain_text(said)
    strange.stop()
    assert page_errors
    page_errors.clear()


def test_a_reload_keeps_the_session_until_it_is_ended_in_the_console(open_ui, place):
    ui = open_ui(place)
    session = "localStorage.getItem('session_id')"
    wait_until(lambda: ui.page.evaluate(session), "the session to be kept")
    secret = ui.page.evaluate(session)
    ui.page.reload()
    ui.expect_connected()
    ui.open("Servers")
    expect(ui.row(str(place.server.workers()[0]))).to_contain_text("Healthy")
    assert ui.page.evaluate(session) == secret
    flask(place.server.settings, "sessions", "end", "--user", "1", "--yes")
    ui.page.reload()
    expect(ui.page.locator("form")).to_contain_text("Invalid credentials")


def test_it_shows_both_workers_and_the_clients_of_each(serve, seeded, site, browser, redis_server, open_ui):
    place = seeded.place(
        serve,
        ADMIN_UI="on",
        RATE_LIMITS="off",
        ALLOWED_ORIGINS=site.url,
        REDIS_URL=redis_server.url,
        WEB_CONCURRENCY="2",
        MAX_CONNECTIONS_PER_USER="0",
    )
    ui = open_ui(place)
    ui.open("Servers")
    for pid in place.server.workers():
        expect(ui.row(str(pid))).to_contain_text("Healthy")
    # one on each worker: the first digit of an id is the slot, from 1
    clients: dict[str, str] = {}
    for _ in range(100):
        sid = browser(place, 2).id
        clients[sid[0]] = sid
        if len(clients) == 2:
            break
    ui.open("Sockets")
    for slot in ("1", "2"):
        expect(ui.row(clients[slot])).to_have_count(1)
