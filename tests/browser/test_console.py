"""The console at work: numbers that move, connections that close, keys, test events, and their trail."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.services.processes import wait_until

from .place import KEY


def test_the_numbers_and_channels_move_by_themselves(demo, console):
    page = console()
    before = int(page.inner_text("[data-figure=connections]"))
    tab = demo(3)
    tab.fill("#channel", "forum.1")
    tab.click("#subscribe")
    expect(page.locator("[data-figure=connections]")).to_have_text(str(before + 1))
    expect(page.locator("#live-busiest")).to_contain_text("forum.1")
    line = page.locator("[data-series=connections] svg")
    expect(line).to_have_attribute("aria-label", re.compile(rf"now {before + 1}"))
    tab.close()
    expect(page.locator("[data-figure=connections]")).to_have_text(str(before))
    expect(page.locator("#live-busiest")).not_to_contain_text("forum.1")


def test_the_overview_names_workers_and_the_state_of_every_dependency(place, console):
    page = console()
    [worker] = place.server.workers()
    expect(page.locator("#live-workers")).to_contain_text(str(worker))
    expect(page.locator("#live-health li")).to_have_count(4)
    expect(page.locator("#live-health")).not_to_contain_text("degraded")


def test_the_last_hour_is_there_for_whoever_opens_the_page(place, demo, console):
    demo(2)
    for number in range(5):
        assert place.broadcast("private-user.2", "news", number).status == 200
    some = re.compile(r"highest (?!0$)")
    for _ in range(2):  # the second time as somebody else, in another browser, who was not there before
        page = console()
        expect(page.locator("[data-series=deliveries] svg")).to_have_attribute("aria-label", some)
        delays = page.locator("[data-series='p50 p99'] svg")
        expect(delays).to_have_attribute("aria-label", re.compile("p99 .*highest .* ms"))


def test_a_line_tells_what_it_was_where_one_points(console):
    page = console()
    chart = page.locator("[data-series=connections]")
    expect(chart.locator("svg")).to_be_visible()
    chart.hover(position={"x": 200, "y": 60})
    expect(page.locator("figure", has_text="Connections").locator(".chart-value")).to_contain_text(" at ")
    page.mouse.move(0, 0)
    expect(page.locator("figure", has_text="Connections").locator(".chart-value")).not_to_contain_text(" at ")


def test_the_numbers_agree_with_the_metrics(place, demo):
    """Of one worker, whose whole life is in the hour: what the page shows is what Prometheus is told."""
    demo(2)
    for number in range(30):
        assert place.broadcast("private-user.2", "news", number).status == 200
    assert place.broadcast("no.such", "news", 1).status == 422
    operator = place.operator()

    def shown() -> dict[str, float]:
        live = json.loads(operator.get("/admin/live.json").text)
        [connections] = re.findall(r'data-figure="connections">([\d,]+)', live["fragments"]["totals"])
        codes = live["fragments"]["outcomes"].split("<dt>Publications")[1].split("<dt>")[0]
        publications = re.findall(r">([a-z_]+)</code> <b>([\d,]+)</b>", codes)
        return {
            "connections": float(connections),
            "line": float(live["hour"]["connections"][-1]),
            **{code: float(count.replace(",", "")) for code, count in publications},
        }

    def counted() -> dict[str, float]:
        metrics = place.server.get("/metrics").text
        [connections] = re.findall(r"^realtime_connections ([\d.]+)", metrics, re.MULTILINE)
        publications = re.findall(
            r'^realtime_publications_total\{code="(\w+)"\} ([\d.]+)', metrics, re.MULTILINE
        )
        return {
            "connections": float(connections),
            "line": float(connections),
            **{code: float(count) for code, count in publications},
        }

    wait_until(lambda: shown() == counted(), "what is shown to be what is counted", 8)
    assert shown()["accepted"] >= 30
    assert shown()["channel_unknown"] >= 1


def test_a_connection_is_found_and_closed_with_a_reason_that_its_browser_shows(place, demo, console):
    tab, other = demo(2), demo(3)
    page = console("/admin/connections/")
    page.get_by_label("Search connections").fill("binh")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#live-connections tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Disconnect Binh").click()
    expect(page.get_by_role("heading", name="Disconnect one connection")).to_be_visible()
    page.get_by_label("Reason").fill("Maintenance at noon.")
    page.get_by_role("button", name="Disconnect 1").click()
    expect(page.get_by_role("status").first).to_have_text("1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("Maintenance at noon.")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")
    page.goto(f"{place.url}/admin/audit/")
    expect(page.locator("tbody tr").first).to_contain_text("connection.close")
    expect(page.locator("tbody tr").first).to_contain_text("Maintenance at noon.")


def test_all_connections_of_a_user_are_closed_at_once(demo, console):
    tabs = [demo(2), demo(2), demo(3)]
    page = console("/admin/connections/disconnect?user_id=2")
    page.get_by_role("button", name="Disconnect 2").click()
    for tab, state in zip(tabs, ("refused", "refused", "on"), strict=True):
        expect(tab.locator("#state")).to_have_attribute("data-state", state)


def test_connections_are_found_by_id_name_channel_and_address(place, demo):
    tab = demo(2)
    tab.fill("#channel", "public.search")
    tab.click("#subscribe")
    expect(tab.locator("#joined")).to_contain_text("public.search")
    operator = place.operator()
    for query, found in (("2", 1), ("binh", 1), ("public.sea", 1), ("127.0.0", 1), ("22", 0), ("chi", 0)):
        page = operator.get(f"/admin/connections/?q={query}").text
        assert page.count("<tr data-key=") == found, query
    assert "Nobody who is connected matches «chi»" in operator.get("/admin/connections/?q=chi").text


def test_opened_details_and_focus_survive_the_renewal_of_a_list(demo, console):
    tab = demo(4)
    for name in ("public.a", "public.b", "public.c", "public.d"):
        tab.fill("#channel", name)
        tab.click("#subscribe")
        expect(tab.locator("#joined")).to_contain_text(name)
    page = console("/admin/connections/?q=dung")
    page.locator("#live-connections summary").click()
    page.get_by_role("link", name="Disconnect Dung").focus()
    seen = page.locator("#live-connections tbody td.number").first.inner_text()
    expect(page.locator("#live-connections tbody td.number").first).not_to_have_text(seen)
    assert page.evaluate("document.querySelector('#live-connections details').open")
    assert page.evaluate("document.activeElement.textContent.startsWith('Disconnect')")


def test_a_test_event_is_sent_after_its_reach_was_shown(demo, console):
    tab = demo(2)
    page = console("/admin/channels/")
    page.get_by_role("link", name="Publish to private-user.2").click()
    page.get_by_label("Data").fill('{"title": "From the console", "message": "Good morning"}')
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".facts")).to_contain_text("1 subscriber")
    assert "From the console" not in tab.inner_text("#letters")
    page.get_by_role("button", name="Send to 1").click()
    expect(page.get_by_role("status").first).to_have_text(
        "notification.sent went to 1 subscriber of private-user.2."
    )
    expect(tab.locator("#letters")).to_contain_text("Good morning")


def test_an_event_that_breaks_a_rule_names_the_field(place):
    operator = place.operator()
    good = {"channel": "public.x", "event": "x", "data": "{}"}
    for field, value, code in (
        ("channel", "no.such", "channel_unknown"),
        ("event", "disconnect", "event_reserved"),
        ("data", "{", "data_not_json"),
        ("data", "NaN", "data_not_json"),
        ("data", '"' + "x" * 100_001 + '"', "payload_too_large"),
    ):
        answer = operator.submit(
            "/admin/channels/publish", "/admin/channels/publish", **{**good, field: value}
        )
        assert answer.status == 422
        assert re.search(rf'id="error-{field}">.*{code}', answer.text), field


def test_everyone_in_a_channel_is_disconnected(demo, console):
    tab, other = demo(2), demo(3)
    tab.fill("#channel", "public.close")
    tab.click("#subscribe")
    expect(tab.locator("#joined")).to_contain_text("public.close")
    page = console("/admin/channels/disconnect?channel=public.close")
    page.get_by_role("button", name="Disconnect 1").click()
    expect(tab.locator("#state")).to_have_attribute("data-state", "refused")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")


def test_a_key_is_shown_once_works_within_its_scope_and_ends_when_revoked(place, console):
    page = console("/admin/keys/")
    page.get_by_label("Name").fill("forum bot")
    page.get_by_label("May publish to").fill("forum.*, public.news")
    page.get_by_role("button", name="Make key").click()
    secret = page.get_by_label("Secret").input_value()
    assert secret.startswith("mmk_")
    assert place.broadcast("forum.1", "x", {}, key=secret).status == 200
    assert place.broadcast("private-user.2", "x", {}, key=secret).json()["code"] == "key_scope"
    page.get_by_role("link", name="back to the keys").click()
    row = page.locator("tbody tr", has_text="forum bot")
    expect(row).to_contain_text("forum.*")
    assert secret not in page.content()
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("tbody tr", has_text="forum bot")).to_contain_text("revoked")
    page.wait_for_timeout(2500)  # workers ask for the live keys every two seconds
    assert place.broadcast("forum.1", "x", {}, key=secret).json()["code"] == "key_invalid"
    page.goto(f"{place.url}/admin/audit/")
    log = page.inner_text("tbody")
    assert "key.revoke" in log
    assert "key.create" in log
    assert secret not in log


def test_a_key_with_the_name_of_a_live_one_is_refused_beside_the_field(place):
    operator = place.operator()
    for status in (201, 422):
        answer = operator.submit("/admin/keys/", "/admin/keys/create", name="twin", scopes="")
        assert answer.status == status
    assert re.search(r'id="error-name">.*key_name_taken', answer.text)


def test_the_copy_button_puts_the_secret_into_the_clipboard(place, console):
    page = console("/admin/keys/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Name").fill("clipboard")
    page.get_by_role("button", name="Make key").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_label("Secret").input_value()


def test_the_audit_log_is_leafed_through_in_pages(place):
    operator = place.operator()
    for number in range(51):
        operator.submit("/admin/channels/publish", "/admin/channels/publish",
                        channel=f"public.leaf{number}", event="x", data="{}", step="send")  # fmt: skip
    first, second = (operator.get(f"/admin/audit/?page={number}").text for number in (1, 2))
    assert first.count("<tr>") == 51  # the head and fifty rows
    assert "public.leaf50" in first
    assert "public.leaf0<" in second
    assert "The log ends before this page" in operator.get("/admin/audit/?page=199").text


def test_the_rules_page_lists_every_kind_of_channel_and_every_rung(console):
    page = console("/admin/rules/")
    thread = "presence-thread.{id} thread.{id} private-thread.{id}"
    for name in ("private-user.{id} user.{id}", thread, "public.{topic}", "6 super admin", "1 guest"):
        expect(page.get_by_role("rowheader", name=name, exact=True)).to_be_visible()
    expect(page.get_by_text("marketplace_moderator")).to_be_visible()


@pytest.mark.parametrize(
    ("user", "channel", "answer"),
    [
        (2, "forum.1", "allowed"),
        (2, "forum.2", "role_too_low"),
        (5, "forum.1", "user_banned"),
        (4, "presence-thread.5", "allowed"),
        (99, "forum.1", "user_unknown"),
        (2, "no.such", "channel_unknown"),
        ("x", "forum.1", "invalid_field"),
    ],
)
def test_the_judge_answers_who_may_join_what(place, user, channel, answer):
    page = place.operator().get(f"/admin/rules/?user={user}&channel={channel}").text
    assert f'<code class="code">{answer}</code>' in page.split("verdict")[-1]


def test_the_overview_counts_outcomes_by_their_codes(place, demo, console):
    tab = demo(2)
    tab.get_by_role("button", name="admin.reports").click()
    expect(tab.locator("#answer")).to_contain_text("role_too_low")
    page = console()
    subscriptions = page.locator(".outcome", has_text="Subscriptions")
    expect(subscriptions.locator(".tally-code", has_text="role_too_low")).to_be_visible()
    expect(page.locator(".outcome", has_text="Connections")).to_contain_text("accepted")


def test_no_page_of_the_console_shows_a_broadcast_key_or_an_engine_io_id(place, demo):
    tab = demo(2)
    ids = tab.evaluate(
        """async () => {
            const url = document.querySelector("[data-token-url]").dataset.tokenUrl;
            const { token } = await (await fetch(url)).json();
            const socket = io({ auth: { token }, forceNew: true });
            await new Promise((connected) => socket.on("connect", connected));
            return { engine: socket.io.engine.id, sid: socket.id };
        }"""
    )
    engine_id, sid = ids["engine"], ids["sid"]
    assert len(engine_id) >= 20
    operator = place.operator()
    for path in (
        "/admin/",
        "/admin/connections/",
        f"/admin/connection/?sid={sid}",
        "/admin/keys/",
        "/admin/apps/",
        "/admin/people/",
        "/admin/explain/",
        "/admin/audit/",
        "/admin/live.json?page=connections",
        "/admin/live.json?page=watch",
    ):
        text = operator.get(path).text
        assert KEY not in text
        assert engine_id not in text
