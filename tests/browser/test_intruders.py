"""What somebody tries at the console who has no business there. Forms and sessions are in test_gate."""

import json
import re
from collections.abc import Iterator

import pytest

from .inside import Here, application, form_token
from .place import Operator, Place, Seeded

SITE = "https://mechamap.test"
"""An origin of the application's own pages."""
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("intruders"), ALLOWED_ORIGINS=SITE) as running:
        yield running


def test_a_page_of_an_allowed_origin_cannot_read_the_console_in_an_operators_browser(here):
    """It is the same site, so that the browser sends the operator's cookie along; the API answers it."""
    client = here.operator()
    for method, path in here.addresses():
        answer = client.open(path, method=method, headers={"Origin": SITE, **HTML})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], path
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert "Access-Control-Allow-Origin" not in client.options("/admin/keys/create", headers=asked).headers
    assert client.get("/health", headers={"Origin": SITE}).headers["Access-Control-Allow-Origin"] == SITE


def test_no_answer_of_the_console_is_framed_or_kept_by_a_cache(here):
    people = [here.app.test_client(), here.operator("dung@mechamap.test"), here.operator()]
    here.services.operations.publish({"channel": "public.framed", "event": "x", "data": 1}, "test")
    for client in people:
        for method, path in [*here.addresses(), ("GET", "/admin/no-such-page"), ("GET", "/admin")]:
            if path == "/admin/logout":
                continue
            headers = client.open(path, method=method, headers=HTML).headers
            assert headers["Cache-Control"] == "no-store", (method, path)
            assert headers["X-Frame-Options"] == "DENY", (method, path)
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], (method, path)


def test_a_host_that_the_browser_was_made_to_name_is_in_no_answer(here):
    client, stranger = here.operator(), here.app.test_client()
    for path in ("/admin/login", "/admin/", "/admin/apps/", "/admin/keys/", "/admin/no-such-page"):
        for asker in (client, stranger):
            answer = asker.get(path, headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test", **HTML})
            assert "evil.test" not in answer.text + str(answer.headers), path
    assert stranger.get("/admin/keys/", headers={"Host": "evil.test"}).headers["Location"].startswith("/")


def test_a_form_token_of_another_browser_opens_no_door(here):
    mine, victims = here.app.test_client(), here.app.test_client()
    form_token(victims, "/admin/login")
    login = {"login": here._seeded.login, "password": here._seeded.password}
    answer = victims.post("/admin/login", data={"csrf_token": form_token(mine, "/admin/login"), **login})
    assert (answer.status_code, "csrf_refused" in answer.text) == (400, True)


def test_a_cookie_that_was_planted_before_signing_in_is_worth_nothing_after(here):
    intruder = here.operator("dung@mechamap.test")
    planted = intruder.get_cookie("mechamap_console", path="/admin").value
    victim = here.app.test_client()
    victim.set_cookie("mechamap_console", planted, path="/admin")
    login = {"login": here._seeded.login, "password": here._seeded.password}
    token = form_token(victim, "/admin/login")
    assert victim.post("/admin/login", data={"csrf_token": token, **login}).status_code == 303
    assert "Anna" in victim.get("/admin/").text
    assert intruder.get("/admin/").status_code == 302


def test_a_wrong_password_and_an_unknown_name_differ_in_nothing_but_the_name(here):
    pages = []
    for login in ("anna@mechamap.test", "anno@mechamap.test"):
        client = here.app.test_client()
        token = form_token(client, "/admin/login")
        fields = {"csrf_token": token, "login": login, "password": "wrong"}
        answer = client.post("/admin/login", data=fields)
        text = answer.text.replace(login, "").replace(form_token(client, "/admin/login"), "")
        headers = {
            name: value for name, value in answer.headers if name not in ("X-Request-ID", "Set-Cookie")
        }
        pages.append((answer.status_code, headers, text))
    for _, headers, text in pages:
        assert text, headers
    assert pages[0] == pages[1]


@pytest.fixture
def guarded(serve, seeded) -> Place:
    """A server of its own that nobody stands before, with its rate limits on."""
    return seeded.place(serve, LOG_LEVEL="DEBUG")


def test_an_address_of_ones_own_choice_and_other_names_give_no_more_tries(guarded):
    stranger, statuses = Operator(guarded.server), []
    for number in range(21):  # of which ten may fall into the minute before
        token = stranger.token("/admin/login")
        fields = {"csrf_token": token, "login": f"name{number}", "password": "wrong"}
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}
        statuses.append(stranger.post("/admin/login", forwarded, **fields).status)
    assert 429 in statuses


def test_no_secret_of_a_visit_is_in_the_log_or_in_what_is_recorded(guarded):
    operator = Operator(guarded.server)
    operator.submit("/admin/login", "/admin/login", login=guarded.login, password="mistyped hunter2")
    secrets = ["hunter2", guarded.password]
    answer = operator.submit(
        "/admin/login", "/admin/login", login=guarded.login, password=guarded.password, next="/admin/keys/"
    )
    assert answer.status == 303
    made = operator.submit("/admin/keys/", "/admin/keys/create", name="logged", scopes="")
    assert made.status == 201
    secrets += [operator.cookie.partition("=")[2], operator.token("/admin/keys/"), secret_in(made.text)]
    app = operator.submit("/admin/apps/", "/admin/apps/create", name="logged")
    assert app.status == 201
    secrets.append(secret_in(app.text))
    written = guarded.server.log() + operator.get("/admin/audit/export").text
    assert "http_request" in written and "key.create" in written
    assert [secret for secret in secrets if secret in written] == []
    rows = [json.loads(line) for line in operator.get("/admin/audit/export").text.splitlines()]
    assert {row["action"] for row in rows} == {"console.signin", "key.create", "app.create"}


def secret_in(page: str) -> str:
    shown = re.search(r'id="secret" class="mono" value="([^"]+)"', page)
    assert shown is not None, page
    return shown[1]
