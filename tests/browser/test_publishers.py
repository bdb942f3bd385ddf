"""Keys and apps in the console: made, changed, previewed, ended."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from .inside import Here, application, form_token
from .place import KEY, Seeded

APP = {
    "PUSHER_APP_ID": "1001",
    "PUSHER_APP_KEY": "key-of-settings",
    "PUSHER_APP_SECRET": "secret-of-settings",
}


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("publishers"), **APP) as running:
        yield running


@pytest.fixture(scope="module")
def client(here: Here) -> FlaskClient:
    return here.operator()


@pytest.fixture
def post(client: FlaskClient):
    token = form_token(client, "/admin/keys/")

    def send(path: str, **fields: str):
        return client.post(path, data={"csrf_token": token, **fields})

    return send


def publish(here: Here, key: str, channel: str = "public.news") -> int:
    body = {"channel": channel, "event": "news", "data": {}}
    return here.app.test_client().post("/api/broadcast", json=body, headers={"X-API-Key": key}).status_code


def secret_in(answer) -> str:
    return re.search(r'id="secret" class="mono" value="([^"]+)"', answer.text)[1]


def made(post, name: str, scopes: str = "") -> str:
    answer = post("/admin/keys/create", name=name, scopes=scopes)
    assert answer.status_code == 201
    return secret_in(answer)


def key_id(here: Here, name: str) -> int:
    return next(row.id for row in here.services.api_keys.list() if row.live_name == name)


def last(here: Here) -> tuple[str, str, str]:
    row = here.services.audit.recent(limit=1)[0]
    return row.action, row.target, row.outcome


def test_a_key_is_rotated_without_a_gap_and_its_old_secret_revoked_alone(here, client, post):
    first = made(post, "rotating", "public.*")
    path = f"/admin/keys/{key_id(here, 'rotating')}/rotate"
    assert first[:10] in client.get(path).text
    answer = post(path, keep="86400")
    second = secret_in(answer)
    assert "goes on until" in answer.text
    assert last(here) == ("key.rotate", "key:rotating", "ok")
    assert [publish(here, secret) for secret in (first, second)] == [200, 200]
    listed = client.get("/admin/keys/").text
    assert ">old secret<" in listed
    assert first not in listed
    assert second not in listed
    old = next(row for row in here.services.api_keys.list() if row.name == "rotating" and not row.current)
    assert "the old secret of" in client.get(f"/admin/keys/{old.id}/revoke").text
    assert post(f"/admin/keys/{old.id}/revoke").status_code == 303
    assert [row.prefix for row in here.services.api_keys.list(revoked=False) if row.name == "rotating"] == [
        second[:10]
    ]


@pytest.mark.parametrize("keep", ["", "1", "-1", "99999999999"])
def test_the_old_secret_goes_on_as_long_as_was_offered_and_no_longer(here, post, keep):
    if "bounded" not in [row.name for row in here.services.api_keys.list()]:
        made(post, "bounded")
    assert post(f"/admin/keys/{key_id(here, 'bounded')}/rotate", keep=keep).status_code == 422


def test_scopes_are_previewed_before_they_are_kept(here, client, post):
    made(post, "scoped", "public.*\nforum.*")
    path = f"/admin/keys/{key_id(here, 'scoped')}/scopes"
    assert "public.*\nforum.*" in client.get(path).text or "forum.*\npublic.*" in client.get(path).text
    page = post(path, scopes="forum.7 nothing.*", step="preview").text
    assert re.search(r'forum\.\{id\}</span> <span class="quiet">some', page)
    assert re.search(r"nothing\.\*</strong> matches no kind", page)
    assert here.services.api_keys.list()[0].scopes == ("forum.*", "public.*"), "a preview keeps nothing"
    assert post(path, scopes="not a (pattern)", step="save").status_code == 422
    assert post(path, scopes="forum.7", step="save").status_code == 303
    assert here.services.api_keys.list()[0].scopes == ("forum.7",)
    row = here.services.audit.recent(limit=1)[0]
    assert (row.action, row.detail) == ("key.scopes", "forum.*, public.* → forum.7")


def test_the_reach_of_a_new_key_is_previewed_without_making_it(here, post):
    answer = post("/admin/keys/create", name="not-yet", scopes="forum.*", step="preview")
    assert answer.status_code == 200
    assert "forum.{id}" in answer.text
    assert 'value="not-yet"' in answer.text
    assert "not-yet" not in [row.name for row in here.services.api_keys.list()]
    assert post("/admin/keys/create", name="x", scopes="(", step="preview").status_code == 422


def test_a_revoked_key_names_what_it_reached_before_and_ends_with_all_its_secrets(here, client, post):
    made(post, "leaving", "forum.*")
    post(f"/admin/keys/{key_id(here, 'leaving')}/rotate", keep="3600")
    path = f"/admin/keys/{key_id(here, 'leaving')}/revoke"
    assert "forum.{id}" in client.get(path).text
    assert post(path).status_code == 303
    assert "leaving" not in [row.name for row in here.services.api_keys.list(revoked=False)]
    assert "already revoked" in client.get(path).text


def test_the_last_minute_of_each_key_is_shown_and_keys_of_the_settings_are_read_only(here, client, post):
    secret = made(post, "busy")
    for _ in range(3):
        assert publish(here, secret) == 200
    assert publish(here, KEY) == 200
    page = client.get("/admin/keys/").text
    rows = {
        name: row
        for row in page.split("<tr")[2:]
        for name in ("busy", "WEBSOCKET_API_KEY")
        if f">{name}" in row
    }
    assert 'class="number">3<' in rows["busy"]
    assert 'class="number">1<' in rows["WEBSOCKET_API_KEY"]
    assert "href" not in rows["WEBSOCKET_API_KEY"]
    assert KEY not in page
    assert "3 events in the last minute" in client.get(f"/admin/keys/{key_id(here, 'busy')}/rotate").text


def test_an_app_is_made_rotated_and_finished(here, client, post):
    answer = post("/admin/apps/create", name="shop")
    assert answer.status_code == 201
    secret, [app] = secret_in(answer), here.services.apps.list()
    assert f"PUSHER_APP_ID={app.app_id}" in answer.text
    assert last(here) == ("app.create", "app:shop", "ok")
    path = f"/admin/apps/{app.app_id}"
    assert app.keys[0] in client.get(f"{path}/rotate").text
    answer = post(f"{path}/rotate")
    assert secret_in(answer) != secret
    same = post(f"{path}/rotate", same_key="on")
    keys = here.services.apps.find("shop").keys
    assert (len(keys), keys[0]) == (3, keys[1])
    assert "End old keys" in client.get("/admin/apps/").text
    assert keys[2] in client.get(f"{path}/finish").text
    assert post(f"{path}/finish").status_code == 303
    assert here.services.apps.find("shop").keys == keys[:1]
    page = client.get("/admin/apps/").text
    assert not [each for each in (secret, secret_in(answer), secret_in(same)) if each in page]


def test_an_app_is_switched_off_and_on_and_deleted_after_asking(here, client, post):
    post("/admin/apps/create", name="seasonal", id="77")
    for act, enabled in (("disable", False), ("enable", True)):
        client.get(f"/admin/apps/77/{act}")
        assert here.services.apps.find("77").enabled is not enabled, "asking changes nothing"
        assert post(f"/admin/apps/77/{act}").status_code == 303
        assert here.services.apps.find("77").enabled is enabled
        assert last(here) == (f"app.{act}", "app:seasonal", "ok")
    assert "cannot be undone" in client.get("/admin/apps/77/delete").text
    assert post("/admin/apps/77/delete").status_code == 303
    assert "77" not in [row.app_id for row in here.services.apps.list()]
    assert client.get("/admin/apps/77/delete").status_code == 404


def test_an_app_brings_its_secret_which_is_not_shown_again(here, post):
    answer = post(
        "/admin/apps/create",
        name="moved",
        id="88",
        key="old-key",
        secret="brought-secret-0123456789",
        legacy="on",
    )
    assert answer.status_code == 201
    assert "brought-secret" not in answer.text
    assert here.services.apps.find("88").legacy
    assert here.services.apps.all()["88"].keys[0].secret == "brought-secret-0123456789"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x", "id": "1001"}, "id"),
        ({"name": "x", "key": "a b"}, "key"),
        ({"name": "x", "secret": "short"}, "secret"),
    ],
)
def test_what_is_wrong_with_an_app_is_told_beside_its_field(here, post, fields, field):
    answer = post("/admin/apps/create", **fields)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert "short" not in answer.text


def test_the_app_of_the_settings_is_shown_and_read_only(client):
    page = client.get("/admin/apps/").text
    row = next(row for row in page.split("<tr") if "PUSHER_APP_ID" in row)
    assert "key-of-settings" in row
    assert "secret-of-settings" not in page
    assert "href" not in row
    assert client.get("/admin/apps/1001/delete").status_code == 404
