"""Apps in our table, on SQLite and on MariaDB."""

import json

import pytest

from mechamap.domain.apps import MAX_APP_KEYS, App
from mechamap.domain.errors import Conflict, InvalidField, NotFound
from mechamap.store.apps import Apps
from mechamap.store.sealing import Seal, Unsealable

from .site import Server

SECRET = "a-secret-key-of-the-installation"


@pytest.fixture
def apps(own_server: Server) -> Apps:
    return Apps(own_server.databases.own, SECRET)


def test_a_new_app_has_an_id_of_digits_and_one_key(apps: Apps):
    record, pair = apps.create("site", "anna")
    assert record.app_id.isdigit() and record.keys == (pair.key,) and record.enabled and not record.legacy
    assert apps.all() == {record.app_id: App(record.app_id, (pair,))}
    assert apps.list() == [record] == [apps.find("site")] == [apps.find(record.app_id)]


def test_an_app_that_moves_here_keeps_what_it_has(apps: Apps):
    record, pair = apps.create(
        "old", "anna", app_id="app-id", key="app-key", secret="0123456789abcdef", legacy=True
    )
    assert (record.app_id, pair.key, pair.secret, record.legacy) == (
        "app-id", "app-key", "0123456789abcdef", True,
    )  # fmt: skip
    assert apps.all()["app-id"].keys == (pair,)


def test_the_table_holds_no_secret(apps: Apps, own_server: Server):
    _, pair = apps.create("site", "anna")
    with own_server.databases.own.read() as connection:
        row = connection.exec_driver_sql("SELECT * FROM rt_apps").one()
    assert pair.key in str(row) and pair.secret not in str(row)


def test_under_another_secret_key_the_app_is_known_and_its_secret_is_not(apps: Apps, own_server: Server):
    record, _ = apps.create("site", "anna")
    other = Apps(own_server.databases.own, "another secret key").all()
    assert other == {record.app_id: App(record.app_id, ())}


def test_a_secret_copied_into_another_row_does_not_open(apps: Apps, own_server: Server):
    one, _ = apps.create("one", "anna")
    two, _ = apps.create("two", "anna")
    with own_server.databases.own.write() as connection:
        stolen = connection.exec_driver_sql(f"SELECT `keys` FROM rt_apps WHERE app_id = '{one.app_id}'")
        text = stolen.scalar()
        text = text if isinstance(text, str) else json.dumps(text)
        quoted = text.replace("'", "''").replace("%", "%%")
        connection.exec_driver_sql(f"UPDATE rt_apps SET `keys` = '{quoted}' WHERE app_id = '{two.app_id}'")
    assert apps.all()[two.app_id].keys == ()


def test_keys_are_changed_without_a_moment_when_none_is_right(apps: Apps):
    record, first = apps.create("site", "anna")
    _, second = apps.rotate("site")
    assert apps.all()[record.app_id].keys == (second, first)
    assert second.key != first.key and second.secret != first.secret
    _, third = apps.rotate("site", same_key=True)
    assert third.key == second.key and third.secret != second.secret
    assert apps.finish("site").keys == (third.key,)
    assert apps.all()[record.app_id].keys == (third,)


def test_keys_do_not_pile_up(apps: Apps):
    apps.create("site", "anna")
    for _ in range(MAX_APP_KEYS - 1):
        apps.rotate("site")
    with pytest.raises(Conflict) as refusal:
        apps.rotate("site")
    assert refusal.value.code == "too_many_app_keys"


def test_an_app_is_switched_off_on_and_deleted(apps: Apps):
    record, _ = apps.create("site", "anna")
    assert not apps.switch("site", enabled=False).enabled
    assert not apps.all()[record.app_id].enabled
    assert apps.switch(record.app_id, enabled=True).enabled
    apps.delete("site")
    assert apps.all() == {}
    for again in (apps.delete, apps.finish, apps.rotate, apps.find):
        with pytest.raises(NotFound):
            again("site")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 65}),
        ("id", {"app_id": "a/b"}),
        ("id", {"app_id": ""}),
        ("key", {"key": "a:b"}),
        ("secret", {"secret": "short"}),
        ("secret", {"secret": "with a blank in it, long"}),
        ("id", {"app_id": "taken"}),
        ("id", {"name": "taken"}),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(apps: Apps, field, given):
    apps.create("taken", "anna", app_id="taken")
    with pytest.raises(InvalidField) as refusal:
        apps.create(**{"name": "new", "created_by": "anna", **given})
    assert refusal.value.field == field
    assert "with a blank" not in refusal.value.message


def test_a_seal_opens_what_it_closed_and_nothing_else():
    seal = Seal(SECRET, "apps")
    sealed = seal.seal("secret", "7:key")
    assert seal.open(sealed, "7:key") == "secret"
    for opener, text, owner in (
        (Seal("another", "apps"), sealed, "7:key"),
        (Seal(SECRET, "hooks"), sealed, "7:key"),
        (seal, sealed, "8:key"),
        (seal, sealed[:-4] + "AAAA", "7:key"),
        (seal, "", "7:key"),
        (seal, "not base64!", "7:key"),
    ):
        with pytest.raises(Unsealable):
            opener.open(text, owner)
