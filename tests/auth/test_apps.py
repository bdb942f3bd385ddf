"""Which apps are known, and what happens when our database does not answer."""

import pytest

from mechamap.auth.pusher import AppRegistry
from mechamap.domain.errors import NotFound, Unavailable
from mechamap.domain.pusher_signature import AppKey
from mechamap.store.apps import Apps
from tests.services.processes import wait_until
from tests.store.site import Server, Serving


@pytest.fixture
def server(server_for: Serving) -> Server:
    return server_for(PUSHER_APP_ID="7", PUSHER_APP_KEY="new,old", PUSHER_APP_SECRET="secret-1,secret-2")


@pytest.fixture
def apps(server: Server) -> Apps:
    return Apps(server.databases.own, server.settings.secret_key)


@pytest.fixture
def registry(server: Server, apps: Apps) -> AppRegistry:
    return AppRegistry(server.settings, apps)


def test_the_app_of_the_settings_has_its_keys_in_their_order(registry: AppRegistry):
    assert registry.find("7").keys == (AppKey("new", "secret-1"), AppKey("old", "secret-2"))
    assert registry.by_key("old").id == "7"


def test_an_app_of_the_table_is_known_at_once_and_gone_within_seconds(registry: AppRegistry, apps: Apps):
    record, pair = apps.create("site", "anna")
    assert registry.find(record.app_id).keys == (pair,)
    assert registry.by_key(pair.key).id == record.app_id
    assert {app.id for app in registry.all()} == {"7", record.app_id}
    apps.switch("site", enabled=False)
    wait_until(lambda: not registry.find(record.app_id).enabled, "it to be disabled", 5)


def test_an_unknown_app(registry: AppRegistry):
    for lookup in (registry.find, registry.by_key):
        with pytest.raises(NotFound) as refusal:
            lookup("nobody")
        assert refusal.value.code == "app_unknown"


def test_the_app_of_the_settings_goes_before_its_like_in_the_table(registry: AppRegistry, apps: Apps):
    apps.create("like", "anna", app_id="7", key="other")
    assert [key.key for key in registry.find("7").keys] == ["new", "old"]
    assert len(registry.all()) == 1


def test_another_secret_key_is_told_as_what_it_is(server: Server, apps: Apps):
    record, _ = apps.create("site", "anna")
    with pytest.raises(Unavailable) as refusal:
        AppRegistry(server.settings, Apps(server.databases.own, "another")).find(record.app_id)
    assert refusal.value.code == "app_secret_unreadable" and "SECRET_KEY" in refusal.value.message


def test_without_our_tables_only_the_settings_count(server_for: Serving):
    server = server_for(migrate=False, PUSHER_APP_ID="7", PUSHER_APP_KEY="key", PUSHER_APP_SECRET="secret-1")
    registry = AppRegistry(server.settings, Apps(server.databases.own, "x"))
    assert registry.find("7").id == "7"
    with pytest.raises(NotFound):
        registry.find("8")


def test_a_database_that_was_never_read_is_no_unknown_app(server_for: Serving):
    server = server_for(
        own="mysql+pymysql://nobody@127.0.0.1:9/none", migrate=False,
        PUSHER_APP_ID="7", PUSHER_APP_KEY="key", PUSHER_APP_SECRET="secret-1",
    )  # fmt: skip
    registry = AppRegistry(server.settings, Apps(server.databases.own, "x"))
    assert registry.find("7").id == "7"
    with pytest.raises(Unavailable) as refusal:
        registry.find("8")
    assert refusal.value.code == "apps_unavailable"
