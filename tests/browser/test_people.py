"""Who is signed in to the console, and ending that."""

from collections.abc import Iterator

import bcrypt
import pytest

from .inside import Here, application, form_token
from .place import Seeded


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("people")) as running:
        yield running


@pytest.fixture(autouse=True)
def nobody_signed_in(here: Here) -> None:
    here.sql("DELETE FROM rt_console_sessions")


def password_of(here: Here, user_id: int, password: str) -> None:
    """What Laravel stores when somebody changes it."""
    stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
    here.sql(f"UPDATE users SET password = '{stored}' WHERE id = {user_id}")


def newest(here: Here) -> int:
    return here.services.console_sessions.live()[0].id


def test_everybody_who_is_signed_in_is_listed_with_browser_address_and_role(here):
    admin = here.operator(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0")
    here.operator("dung@mechamap.test", REMOTE_ADDR="192.0.2.7")
    page = admin.get("/admin/people/").text
    assert "Firefox on Linux" in page
    assert "192.0.2.7" in page
    assert page.count("this session") == 1
    assert "viewer</span>" in page


def test_a_session_that_an_administrator_ends_is_over_with_its_next_request(here):
    admin, other = here.operator(), here.operator("dung@mechamap.test")
    ended, ask = newest(here), f"/admin/people/end?id={newest(here)}"
    assert "End 1 session<" in admin.get(ask).text
    assert other.get("/admin/").status_code == 200, "asking ends nothing"
    answer = admin.post("/admin/people/end", data={"csrf_token": form_token(admin, ask), "id": ended})
    assert answer.status_code == 303
    assert "1 session of Dung ended." in admin.get("/admin/people/").text
    assert other.get("/admin/live.json").json["code"] == "session_revoked"
    assert "why=signed_out" not in other.get("/admin/").headers["Location"]
    row = here.services.audit.recent(limit=1)[0]
    assert (row.actor, row.action, row.target, row.outcome, row.detail) == (
        "admin:1",
        "console.end_sessions",
        "user:4",
        "ok",
        "1 session ended",
    )


def test_who_was_ended_is_told_why_at_the_door(here):
    client = here.operator()
    here.sql("UPDATE rt_console_sessions SET ended_at = seen_at, ended_why = 'session_revoked'")
    answer = client.get("/admin/rules/", follow_redirects=True)
    assert "Your session was ended." in answer.text


def test_another_password_ends_the_sessions_that_began_with_the_one_before(here):
    client, polling, other = here.operator(), here.operator(), here.operator("dung@mechamap.test")
    password_of(here, 1, "new")
    try:
        answer = client.get("/admin/rules/", follow_redirects=True)
        assert "Your session ended because your password was changed" in answer.text
        told = polling.get("/admin/live.json")
        assert (told.status_code, told.json["code"]) == (401, "password_changed")
        assert "password was changed" in told.json["message"]
        assert other.get("/admin/").status_code == 200
    finally:
        password_of(here, 1, here._seeded.password)
    assert client.get("/admin/").status_code == 302, "the session does not come back with the password"
    rows = [row for row in here.services.audit.recent(limit=10) if row.action == "console.session_lost"]
    assert [(row.actor, row.target, row.outcome) for row in rows[:2]] == [
        ("admin:1", "user:1", "password_changed")
    ] * 2
    assert here.operator().get("/admin/").status_code == 200


def test_a_session_from_before_passwords_were_kept_ends_after_the_upgrade(here):
    client = here.operator()
    here.sql("UPDATE rt_console_sessions SET password_digest = NULL")
    assert "why=session_revoked" in client.get("/admin/").headers["Location"]


def test_all_sessions_of_a_person_end_at_once_and_nobody_elses(here):
    admin, others = here.operator(), [here.operator("dung@mechamap.test") for _ in range(2)]
    token = form_token(admin, "/admin/people/end?user_id=4")
    admin.post("/admin/people/end", data={"csrf_token": token, "user_id": 4})
    assert [client.get("/admin/").status_code for client in (admin, *others)] == [200, 302, 302]


def test_a_cookie_kept_from_before_signing_out_opens_nothing(here):
    client = here.operator()
    cookie = client.get_cookie("mechamap_console", path="/admin").value
    client.post("/admin/logout", data={"csrf_token": form_token(client, "/admin/")})
    thief = here.app.test_client()
    thief.set_cookie("mechamap_console", cookie, path="/admin")
    assert thief.get("/admin/").status_code == 302


def test_one_signs_out_elsewhere_or_everywhere(here):
    first, second, other = here.operator(), here.operator(), here.operator("dung@mechamap.test")
    page = second.get("/admin/account/").text
    assert page.count("<tr>") == 3, "the head and one's own two"
    token = form_token(second, "/admin/account/")
    oldest = here.services.console_sessions.live(1)[-1].id
    second.post("/admin/account/sign-out", data={"csrf_token": token, "id": oldest})
    assert (first.get("/admin/").status_code, second.get("/admin/").status_code) == (302, 200)
    third = here.operator()
    answer = second.post("/admin/account/sign-out", data={"csrf_token": token})
    assert answer.headers["Location"] == "/admin/login"
    assert [client.get("/admin/").status_code for client in (second, third, other)] == [302, 302, 200]


def test_nobody_ends_the_session_of_somebody_else_from_their_own_page(here):
    admin, viewer = here.operator(), here.operator("dung@mechamap.test")
    theirs = here.services.console_sessions.live(1)[0].id
    token = form_token(viewer, "/admin/account/")
    viewer.post("/admin/account/sign-out", data={"csrf_token": token, "id": theirs})
    assert admin.get("/admin/").status_code == 200


def test_signing_in_again_in_one_browser_leaves_one_session(here):
    client = here.operator()
    login = {"login": here._seeded.login, "password": here._seeded.password}
    client.post("/admin/login", data={"csrf_token": form_token(client, "/admin/login"), **login})
    assert len(here.services.console_sessions.live(1)) == 1


@pytest.mark.parametrize("query", ["", "?id=1&user_id=2", "?id=x", "?user_id=-1"])
def test_what_is_to_end_must_be_named(here, query):
    assert here.operator().get(f"/admin/people/end{query}").status_code == 422
