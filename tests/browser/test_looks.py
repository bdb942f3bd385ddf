"""Every page in both schemes and at both widths: readable for people and for their tools."""

import pytest
from playwright.sync_api import Page, Response, expect

from .busy import AGENT, DATA, FAR, LONG_CHANNEL, LONG_EVENT, SETTINGS, Busy, connection_of, furnish
from .looking import faults, only_refusals
from .place import Operator, Place
from .sights import ANSWERS, PAGES

pytestmark = pytest.mark.timeout(240)
"""Each page is looked at four times, and a busy machine is slow at that."""
SEND = """([action, fields]) => {
  const form = Object.assign(document.createElement("form"), { method: "post", action });
  const token = document.querySelector("[name=csrf_token]").value;
  for (const [name, value] of Object.entries({ csrf_token: token, ...fields }))
    form.append(Object.assign(document.createElement("textarea"), { name, value }));
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture(scope="module")
def place(serve_module, seeded, laravel) -> Place:
    auth = f"{laravel.url}/broadcasting/auth"
    return seeded.place(serve_module, RATE_LIMITS="off", LARAVEL_AUTH_URL=auth, **SETTINGS)


@pytest.fixture(scope="module")
def busy(place) -> Busy:
    return furnish(place)


@pytest.fixture
def sid(place, demo, busy) -> str:
    """The connection of somebody far away, who is in several channels, as others are."""
    far = {"X-Forwarded-For": FAR}
    for tab in (demo(2), demo(3, user_agent=AGENT, extra_http_headers=far)):
        for channel in (LONG_CHANNEL, "forum.1", "presence-thread.1", "public.one"):
            tab.fill("#channel", channel)
            tab.click("#subscribe")
            tab.wait_for_selector(f"#joined >> text={channel}")
    return connection_of(place.operator(), 3)


@pytest.fixture
def guarded(serve, seeded) -> Place:
    """A server of its own, with its rate limits on."""
    return seeded.place(serve)


def problems_of(page: Page, answer: Response) -> list[str]:
    """What is wrong with a page that came; its policy allows nothing inline and nothing from elsewhere."""
    found, policy, text = faults(page), answer.headers["content-security-policy"], answer.text()
    if "unsafe" in policy or "default-src 'none'" not in policy:
        found.append(f"the policy is {policy}")
    return found + [f"has {inline}" for inline in (" style=", "<style", " onclick=") if inline in text]


@pytest.mark.parametrize("pages", PAGES, ids=lambda pages: pages.__name__)
def test_every_page_is_readable(pages, place, console, busy, sid, page_errors):
    page = console()
    problems = {}
    for path in pages(busy, sid):
        answer = page.goto(place.url + path)
        if "/demo/" in path:  # its connection is accepted or refused
            page.wait_for_selector("#state[data-state=on], #state[data-state=refused]")
        if path == "/admin/watch/":
            page.wait_for_selector("#pulse[data-state=live]")
            place.broadcast(LONG_CHANNEL, LONG_EVENT, DATA)
            page.wait_for_selector("#records tr")
        if found := problems_of(page, answer):
            problems[path] = found
    assert problems == {}
    only_refusals(page_errors)


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: answers.__name__)
def test_every_page_that_a_form_brings_is_readable(answers, place, console, busy, sid, page_errors):
    page = console("/admin/rules/")
    problems = {}
    for action, fields, status in answers(busy, sid):
        if not page.query_selector("[name=csrf_token]"):  # a page that has no form
            page.goto(f"{place.url}/admin/rules/")
        with page.expect_navigation() as navigation:
            page.evaluate(SEND, [action, fields])
        found = problems_of(page, navigation.value)
        if navigation.value.status != status:
            found.append(f"the status is {navigation.value.status}, not {status}")
        if found:
            problems[f"{action} {fields}"[:150]] = found
    assert problems == {}
    only_refusals(page_errors)


def test_what_keeps_one_out_is_readable(guarded, open_page, page_errors):
    page, viewer = open_page(), open_page()
    guarded.sign_in(viewer, "dung@mechamap.test")
    viewer.goto(f"{guarded.url}/admin/keys/")
    expect(viewer.locator("main")).to_contain_text("permission_missing")
    assert faults(viewer) == []

    def refused(login: str, password: str, code: str) -> None:
        page.goto(f"{guarded.url}/admin/login")
        page.get_by_label("E-mail or user name").fill(login)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text(code)
        expect(page.get_by_label("Password")).to_be_focused()
        assert faults(page) == []

    refused(guarded.login, "wrong", "credentials_invalid")
    refused("binh@mechamap.test", guarded.password, "role_too_low")
    guarded.sql("ALTER TABLE rt_console_sessions RENAME TO elsewhere")
    refused(guarded.login, guarded.password, "schema_mismatch")
    assert viewer.goto(f"{guarded.url}/admin/rules/").status == 503
    expect(viewer.get_by_role("link", name="Try again")).to_be_visible()
    assert faults(viewer) == []
    for number in range(10):
        Operator(guarded.server).submit("/admin/login", "/admin/login", login=f"x{number}", password="x")
    refused("anybody", "x", "rate_limited")
    only_refusals(page_errors)


def test_a_refusal_leads_back_to_where_one_was(place):
    operator = place.operator()
    for path, back in (
        ("/admin/keys/9999/rotate", "/admin/keys/"),
        ("/admin/channel/purge?name=user.no", "/admin/channels/"),
        ("/admin/nothing", "/admin/"),
    ):
        assert f'href="{back}">Back to' in operator.get(path).text


def test_a_rotation_that_cannot_be_comes_back_as_its_form(place, busy):
    path = f"/admin/keys/{busy.crowded}/rotate"
    answer = place.operator().submit(path, path, keep="3600")
    assert answer.status == 409
    assert "too_many_secrets" in answer.text
    assert '<select id="keep"' in answer.text


def test_the_console_works_for_people_who_want_no_motion(place, console):
    page = console(reduced_motion="reduce")
    page.wait_for_selector("#pulse[data-state=live]")
    assert page.evaluate("getComputedStyle(document.querySelector('.pulse-dot')).animationName") == "none"
