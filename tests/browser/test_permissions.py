"""Who may do what: every address of the server, by every method, asked by everybody."""

import html
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from mechamap.admin.permissions import Permission, stated
from mechamap.domain.history import Position
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.hub.connection import Connection

from .addresses import documented
from .inside import Here, application, form_token
from .place import Seeded

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
PEOPLE = {"viewer": "dung", "operator": "chi", "administrator": "anna"}
MAY = {
    "stranger": set(),
    "viewer": {"view"},
    "operator": {"view", "operate"},
    "administrator": {"view", "operate", "administer"},
}
DOOR = {"/admin/login", "/admin/logout"}
OPEN = {
    *("/", "/health", "/health/ready", "/metrics", "/static/<path:filename>"),
    *("/api/health", "/api/status", "/api/metrics", "/api/openapi.json"),
    *("/api/monitoring/health", "/api/monitoring/alerts", "/api/monitoring/metrics"),
    # not in production
    *("/demo", "/demo/<int:user_id>", "/demo/<int:user_id>/token"),
}
"""Beside the console, what a stranger may read."""
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}
"""No address of this machine, whose programs may publish without a key."""
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("permissions")) as running:
        running.sql("UPDATE users SET role = 'admin' WHERE id = 3")
        yield running


@pytest.fixture(scope="module")
def people(here: Here) -> dict[str, FlaskClient]:
    signed_in = {role: here.operator(f"{name}@mechamap.test") for role, name in PEOPLE.items()}
    return {"stranger": here.app.test_client(), **signed_in}


def shown(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule)


def test_the_document_lists_every_address_of_the_console_with_what_it_needs(here):
    found = {}
    for rule in here.app.url_map.iter_rules():
        if rule.rule.startswith("/admin") and rule.rule not in DOOR:
            act = here.app.view_functions[rule.endpoint]
            needed = stated(type(act.__self__), act.__name__, rule.methods)
            assert needed is not None, f"{rule.rule} states no permission, so that nobody may use it"
            found[shown(rule.rule)] = (rule.methods - {"HEAD", "OPTIONS"}, needed.value)
    assert found == documented()


def test_everybody_may_do_what_the_document_says_and_nothing_else(here, people):
    table, before, wrong = documented(), len(here.services.audit.recent(limit=5000)), []
    refused_acts = 0
    for rule in here.app.url_map.iter_rules():
        if not rule.rule.startswith("/admin") or rule.rule in DOOR:
            continue
        needed = table[shown(rule.rule)][1]
        path = re.sub(r"<int:\w+>", "1", rule.rule)
        path = re.sub(r"<\w+>", "x", path)
        for person, client in people.items():
            for method in METHODS:
                answer = client.open(path, method=method, headers=HTML)
                status, where = answer.status_code, (person, method, path, answer.status_code)
                if method not in rule.methods:
                    right = status == 405
                elif method == "OPTIONS":
                    right = status == 200 and not answer.data
                elif person == "stranger":
                    right = status == (401 if path == "/admin/live.json" else 302)
                elif needed not in MAY[person]:
                    refused_acts += method == "POST"
                    right = status == 403 and (method == "HEAD" or f"«{needed}»" in answer.text)
                elif method == "POST":
                    right = status == 400 and "csrf_refused" in answer.text
                else:
                    right = status in (200, 404, 422)
                if not right:
                    wrong.append(where)
    assert wrong == []
    rows = here.services.audit.recent(limit=5000)
    refused = [row for row in rows[: len(rows) - before] if row.outcome == "permission_missing"]
    assert len(refused) == len(rows) - before == refused_acts > 4


def test_nothing_beside_the_console_is_open_to_a_stranger_or_an_operator_by_mistake(here, people):
    """Signing in to the console opens nothing else, and what is not for everybody asks for its own key."""
    wrong = []
    for rule in here.app.url_map.iter_rules():
        if rule.rule.startswith("/admin"):
            continue
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        for method in METHODS:
            by = {
                person: client.open(path, method=method, environ_base=ELSEWHERE).status_code
                for person, client in people.items()
            }
            status = by["stranger"]
            if rule.rule in OPEN:
                right = method not in ("GET", "HEAD") or status in (200, 302, 404, 503)
            elif method == "OPTIONS":
                right = status in (200, 204, 401)
            elif method not in rule.methods:
                right = status == 405
            else:
                right = status in (400, 401, 403, 404)
            if not right or len(set(by.values())) > 1:
                wrong.append((method, rule.rule, by))
    assert wrong == []


def test_an_act_of_a_page_for_reading_must_state_its_own_permission():
    class Page:
        permission = Permission.VIEW

        def act(self): ...

    assert stated(Page, "act", {"GET", "HEAD", "OPTIONS"}) is Permission.VIEW
    assert stated(Page, "act", {"GET", "POST"}) is None
    assert stated(object, "act", {"GET"}) is None


def test_what_may_not_be_done_is_not_shown(people):
    for person, acts, keys in (
        ("viewer", False, False),
        ("operator", True, False),
        ("administrator", True, True),
    ):
        page = people[person].get("/admin/channels/").text
        assert ("Publish a test event" in page) is acts, person
        assert ('href="/admin/keys/"' in page) is keys, person
        assert f'<span class="quiet">{person}</span>' in page


def test_a_refused_program_is_told_in_json(people):
    answer = people["viewer"].get("/admin/keys/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (403, "permission_missing")


def test_who_falls_in_rank_may_do_less_with_the_next_request(here, people):
    client = here.operator("anna@mechamap.test")
    token = form_token(client, "/admin/keys/")
    here.sql("UPDATE users SET role = 'moderator' WHERE id = 1")
    try:
        answer = client.post("/admin/keys/create", data={"csrf_token": token, "name": "late", "scopes": ""})
        assert answer.status_code == 403
        assert client.get("/admin/").status_code == 200
    finally:
        here.sql("UPDATE users SET role = 'super_admin' WHERE id = 1")
    assert "late" not in [row.name for row in here.services.api_keys.list()]


def test_the_data_of_events_is_offered_to_administrators_only(here, people):
    here.services.operations.publish({"channel": "public.masked", "event": "x", "data": "inside"}, "test")
    for person, offered, acts in (
        ("viewer", False, False),
        ("operator", False, True),
        ("administrator", True, True),
    ):
        page = people[person].get("/admin/channel/?name=public.masked").text
        assert ('action="/admin/channel/data"' in page) is offered, person
        assert ("Purge the log" in page) is acts, person
        assert "inside" not in page


def test_the_parts_of_a_channels_page_renew_themselves_with_their_forms(here, people):
    here.services.operations.publish({"channel": "public.renewed", "event": "x", "data": 1}, "test")
    for person, offered in (("viewer", False), ("administrator", True)):
        answer = people[person].get("/admin/live.json?page=channel&name=public.renewed")
        assert answer.status_code == 200
        assert ("csrf_token" in answer.json["fragments"]["channel"]) is offered


def test_a_list_longer_than_a_page_is_leafed_through(here, people):
    hub, position = here.services.runtime.hub, Position("e", 0)
    facts = UserFacts(99, "Many", "member")
    for number in range(60):
        identity = Identity(99, "member", "Many", TokenKind.JWT, None)
        about = {"transport": "websocket", "address": None, "user_agent": None}
        at = 1_700_000_000.0 + number // 2  # several at the same moment
        hub.connections.add(
            Connection(f"1.{number}", identity, facts, "w", position, connected_at=at, **about)
        )
    page, seen = "/admin/connections/?q=99", []
    while page:
        text = people["viewer"].get(page).text
        assert "60 matches «99»" in text
        seen += re.findall(r'<tr data-key="([^"]+)"', text)
        following = re.search(r'href="([^"]+)">Next page', text)
        page = html.unescape(following[1]) if following else None
    assert len(seen) == 60
    assert set(seen) == {f"1.{number}" for number in range(60)}
    for number in range(60):
        hub.connections.remove(f"1.{number}")
