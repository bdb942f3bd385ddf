"""The door of the console."""

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.cli.certificate import make_certificate

from .place import Operator, Place


@pytest.fixture
def guarded(serve, seeded) -> Place:
    """A server of its own, with its rate limits on."""
    return seeded.place(serve)


def test_signing_in_with_the_keyboard_alone(place, chromium_page):
    chromium_page.goto(f"{place.url}/admin/audit/?page=1")
    expect(chromium_page.get_by_label("E-mail or user name")).to_be_focused()  # a page gets it after `load`
    chromium_page.keyboard.type(place.login)
    chromium_page.keyboard.press("Tab")
    chromium_page.keyboard.type(place.password)
    chromium_page.keyboard.press("Enter")
    expect(chromium_page.get_by_role("heading", name="Audit")).to_be_visible()
    chromium_page.keyboard.press("Tab")
    expect(chromium_page.locator(":focus")).to_have_text("Skip to content")
    chromium_page.keyboard.press("Enter")
    expect(chromium_page.locator("#main")).to_be_focused()


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(place):
    answers = []
    for login in (place.login, "nobody@mechamap.test"):
        answer = Operator(place.server).submit("/admin/login", "/admin/login", login=login, password="wrong")
        answers.append((answer.status, answer.text.split('id="refusal">')[1].split("</p>")[0]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert "credentials_invalid" in answers[0][1]


def test_a_member_is_told_of_the_missing_role_after_the_right_password_only(place):
    right = Operator(place.server).submit(
        "/admin/login", "/admin/login", login="binh@mechamap.test", password=place.password
    )
    wrong = Operator(place.server).submit(
        "/admin/login", "/admin/login", login="binh@mechamap.test", password="wrong"
    )
    assert (right.status, wrong.status) == (403, 401)
    assert "role_too_low" in right.text
    assert "credentials_invalid" in wrong.text


def test_the_door_closes_for_a_while_after_too_many_tries(guarded):
    stranger = Operator(guarded.server)
    answers = [
        stranger.submit("/admin/login", "/admin/login", login=guarded.login, password=f"wrong {number}")
        for number in range(11)
    ]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert "rate_limited" in answers[-1].text
    even_the_right_one = stranger.submit(
        "/admin/login", "/admin/login", login=guarded.login, password=guarded.password
    )
    assert even_the_right_one.status == 429


def test_what_was_typed_as_a_name_is_not_kept_whole_in_the_log(place):
    Operator(place.server).submit("/admin/login", "/admin/login", login="correct horse battery", password="x")
    log = place.operator().get("/admin/audit/").text
    assert "co…" in log
    assert "correct horse" not in log
    assert "horse" not in place.server.log()


def test_signing_out_ends_the_session(place, console):
    page = console()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{place.url}/admin/keys/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(
    "target",
    [
        *(
            "https://evil.test/",
            "//evil.test/",
            "/\\evil.test",
            "/demo",
            "/admin/\\..//evil",
            "/admin/%5c..//evil",
        ),
        *("/admin/../logout", "/admin/%2e%2e/logout", "/admin/%2E./%2e./logout", "/admin/..//evil.test"),
        *("/admin/\t//evil.test", "/admin", "javascript:alert(1)"),
    ],
)
def test_a_link_to_the_door_leads_no_further_than_the_console(place, target):
    operator = Operator(place.server)
    answer = operator.submit(
        "/admin/login", "/admin/login", login=place.login, password=place.password, next=target
    )
    assert (answer.status, answer.headers["location"]) == (303, "/admin/")


def test_over_tls_the_browser_keeps_a_cookie_that_no_neighbour_can_plant(serve, seeded, tmp_path, open_page):
    certificate, key = make_certificate(tmp_path)
    place = seeded.place(serve, SSL_CERT_PATH=str(certificate), SSL_KEY_PATH=str(key))
    page = open_page()
    page.goto(f"{place.url}/admin/audit/")
    page.get_by_label("E-mail or user name").fill(place.login)
    page.get_by_label("Password").fill(place.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    [cookie] = page.context.cookies()
    assert cookie["name"] == "__Host-mechamap_console"
    assert (cookie["path"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
        "/",
        True,
        True,
        "Lax",
    )
    page.get_by_role("link", name="Anna administrator").click()
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{place.url}/admin/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_open_page_says_that_the_password_was_changed_and_leads_to_the_door(
    guarded, chromium_page, page_errors
):
    page = chromium_page
    guarded.sign_in(page)
    page.goto(f"{guarded.url}/admin/")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    path = f"{guarded.server.settings['INSTANCE_PATH']}/mechamap.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE users SET password = 'another' WHERE id = 1")
        database.commit()
    expect(page.locator("#trouble")).to_contain_text("your password was changed", timeout=15_000)
    assert all("401" in error for error in page_errors)
    page_errors.clear()
    page.locator("#trouble").get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
