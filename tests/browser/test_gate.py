"""The gate of the console: strangers, forged forms, sessions that ended, roles that were lost."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mechamap.store.console_sessions import IDLE, LIFETIME

from .inside import Here, application, form_token
from .place import Seeded


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("gate")) as running:
        yield running


def test_every_address_but_the_door_sends_a_stranger_away(here):
    addresses = here.addresses()
    assert len(addresses) > 15
    for method, path in addresses:
        if path == "/admin/login":
            continue
        answer = here.app.test_client().open(path, method=method, headers={"Accept": "text/html"})
        if path == "/admin/live.json":
            assert (answer.status_code, answer.json["code"]) == (401, "signed_out")
        else:
            assert answer.status_code in (302, 303), (method, path)
            assert answer.headers["Location"].startswith("/admin/login"), (method, path)


def test_no_address_serves_flask_admins_own_files(here):
    assert not [path for _, path in here.addresses() if "static" in path]


def test_a_form_without_its_token_does_nothing(here):
    client = here.operator()
    fields = {
        "name": "forged",
        "scopes": "",
        "channel": "public.x",
        "event": "x",
        "data": "{}",
        "step": "send",
        "user_id": "2",
    }
    before = len(here.services.audit.recent(limit=500))
    for token in (None, "", "wrong", form_token(here.operator(), "/admin/keys/")):
        given = {**fields, **({"csrf_token": token} if token is not None else {})}
        for method, path in here.addresses():
            if method != "POST" or path == "/admin/login":
                continue
            answer = client.post(path, data=given, headers={"Accept": "text/html"})
            assert (answer.status_code, "csrf_refused" in answer.text) == (400, True), path
    assert "forged" not in [row.name for row in here.services.api_keys.list()]
    signins = 1  # the second operator's
    assert len(here.services.audit.recent(limit=500)) == before + signins
    assert client.get("/admin/").status_code == 200


def test_asking_for_the_head_of_a_page_changes_nothing(here):
    client = here.operator()
    row, _ = here.services.api_keys.create("kept", [], "test")
    app, _ = here.services.apps.create("kept", "test", app_id="x")
    before = len(here.services.audit.recent(limit=500))
    for method, path in here.addresses():
        if method != "POST":
            continue
        path = path.replace("/1/", f"/{row.id}/")
        for query in ({"user_id": "2"}, {"channel": "public.x", "event": "x", "data": "{}", "step": "send"}):
            assert client.head(path, query_string=query).status_code in (200, 405, 422)
    assert len(here.services.audit.recent(limit=500)) == before
    assert here.services.apps.find("x") == app
    assert here.services.api_keys.revoke(row.id) == replace(
        row, live_name=None, revoked_at=here.services.api_keys.list()[0].revoked_at
    )


def test_the_door_itself_takes_no_forged_form(here):
    client = here.app.test_client()
    client.get("/admin/login")
    answer = client.post("/admin/login", data={"login": "anna@mechamap.test", "password": "x"})
    assert (answer.status_code, "csrf_refused" in answer.text) == (400, True)


def test_pages_are_kept_out_of_caches_and_the_cookie_out_of_scripts(here):
    client = here.operator()
    for path in ("/admin/", "/admin/live.json", "/admin/keys/", "/admin/login"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    cookie = client.get_cookie("mechamap_console", path="/admin")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path, cookie.secure) == (True, "Lax", "/admin", False)


def test_over_tls_the_cookie_is_secure_and_of_this_host_alone(here):
    client = here.app.test_client()
    answer = client.get("/admin/login", base_url="https://localhost")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-mechamap_console=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_signing_in_leaves_nothing_of_the_session_before(here):
    client = here.app.test_client()
    before = form_token(client, "/admin/login")
    with client.session_transaction(path="/admin/") as planted:
        planted["planted"] = "by somebody else"
    token = form_token(client, "/admin/login")
    assert token == before
    client.post(
        "/admin/login",
        data={"csrf_token": token, "login": here._seeded.login, "password": here._seeded.password},
    )
    with client.session_transaction(path="/admin/") as session:
        assert "planted" not in session
        assert session["csrf"] != before


@pytest.mark.parametrize(
    ("column", "length", "why"), [("seen_at", IDLE, "session_idle"), ("began_at", LIFETIME, "session_over")]
)
def test_a_session_ends_when_unused_and_when_old(here, column, length, why):
    for seconds, goes_on in ((length.total_seconds() - 5, True), (length.total_seconds() + 5, False)):
        client = here.operator()
        here.sql(
            f"UPDATE rt_console_sessions SET {column} = datetime({column}, '-{seconds} seconds') "
            "WHERE id = (SELECT max(id) FROM rt_console_sessions)"
        )
        answer = client.get("/admin/rules/")
        assert answer.status_code == (200 if goes_on else 302)
    assert f"why={why}" in answer.headers["Location"]
    assert client.get("/admin/live.json").status_code == 401


def test_the_pages_own_polling_does_not_keep_a_session_alive(here):
    client = here.operator()
    here.sql("UPDATE rt_console_sessions SET seen_at = datetime(seen_at, '-600 seconds')")
    seen = last_seen(here)
    assert client.get("/admin/live.json").status_code == 200
    assert last_seen(here) == seen
    assert client.get("/admin/rules/").status_code == 200
    assert (last_seen(here) - seen).total_seconds() > 500


def last_seen(here):
    return here.services.console_sessions.live()[0].seen_at


def test_a_forged_cookie_is_a_stranger(here):
    client = here.app.test_client()
    client.set_cookie("mechamap_console", "eyJ1c2VyIjoxfQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", path="/admin")
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "change",
    [
        "role = 'member'",
        "role = 'no-such-role'",
        "status = 'banned'",
        "is_active = 0",
        "banned_at = '2026-01-01'",
    ],
)
def test_an_operator_who_loses_the_role_is_out_at_once(here, change):
    client = here.operator()
    assert client.get("/admin/rules/").status_code == 200
    here.sql(f"UPDATE users SET {change}")
    try:
        answer = client.get("/admin/rules/")
        assert (answer.status_code, "why=role_lost" in answer.headers["Location"]) == (302, True)
    finally:
        here.sql("UPDATE users SET role = 'super_admin', status = 'active', is_active = 1, banned_at = NULL")
    assert here.services.audit.recent(limit=1)[0].outcome == "role_lost"
    assert client.get("/admin/rules/").status_code == 302, "the session does not come back with the role"


@pytest.mark.parametrize("role", ["admin", "system_admin", "content_admin"])
def test_the_applications_own_administrators_may_enter(here, role):
    here.sql(f"UPDATE users SET role = '{role}' WHERE id = 1")
    try:
        assert here.operator().get("/admin/").status_code == 200
    finally:
        here.sql("UPDATE users SET role = 'super_admin' WHERE id = 1")


@pytest.mark.parametrize(
    ("away", "code"), [("mechamap.sqlite", "directory_unavailable"), ("own.sqlite", "unavailable")]
)
def test_a_role_or_session_that_cannot_be_checked_lets_nobody_in(seeded, tmp_path, away, code):
    shutil.copy(seeded.folder / "mechamap.sqlite", tmp_path / "own.sqlite")
    urls = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'own.sqlite'}",
        "LARAVEL_DATABASE_URL": f"sqlite:///{tmp_path / 'mechamap.sqlite'}",
    }
    with application(seeded, tmp_path, **urls) as here:
        client = here.operator()
        here.services.databases.close()
        for file in tmp_path.glob(f"{away}*"):
            file.unlink()
        (tmp_path / away).write_bytes(b"not a database at all" * 100)
        answer = client.get("/admin/rules/", headers={"Accept": "text/html"})
        assert (answer.status_code, f">{code}<" in answer.text) == (503, True)
        assert client.get("/admin/live.json").json["code"] == code


def test_a_defect_in_a_view_is_reported_as_itself(here, monkeypatch):
    """Flask-Admin 2.2 answers a TypeError by calling the view again, which hides where it came from."""
    client = here.operator()
    calls = []

    def broken(**_):
        calls.append(1)
        raise TypeError("a defect of the view")

    monkeypatch.setattr("mechamap.admin.rules.table", broken)
    assert client.get("/admin/rules/").status_code == 500
    assert len(calls) == 1


def test_an_action_is_recorded_with_who_what_where_and_the_requests_id(here):
    client = here.operator()
    answer = client.post(
        "/admin/channels/publish",
        data={
            "csrf_token": form_token(client, "/admin/channels/publish"),
            "channel": "public.x",
            "event": "x",
            "data": "{}",
            "step": "send",
        },
        headers={"X-Request-ID": "a-request-of-the-test"},
    )
    assert answer.status_code == 303
    row = here.services.audit.recent(limit=1)[0]
    assert (row.actor, row.action, row.target, row.outcome) == (
        "admin:1",
        "event.publish",
        "channel:public.x",
        "ok",
    )
    assert (row.address, row.request_id) == ("127.0.0.1", "a-request-of-the-test")
