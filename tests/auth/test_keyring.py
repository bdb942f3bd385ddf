"""Which broadcast keys open, and what happens when our database does not answer."""

import hmac
import time
from datetime import timedelta

import pytest

from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.protocol import BroadcastKey
from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import KeyRefused, Unavailable
from mechamap.store.keys import ApiKeys, KeyRecord
from tests.clock import Clock
from tests.services.mariadb import MariaDBServer
from tests.services.processes import wait_until
from tests.store.site import API_KEY, JWT_SECRET, Server, Serving

from .conftest import Door, sanctum_secret

SECOND_KEY = "second-key-of-the-settings-0123456789abcdef"


@pytest.fixture
def keys(own_server: Server) -> ApiKeys:
    return ApiKeys(own_server.databases.own)


@pytest.fixture
def ring(own_server: Server, keys: ApiKeys, clock: Clock) -> BroadcastKeyRing:
    return BroadcastKeyRing(own_server.settings, keys, clock)


def code_of(ring: BroadcastKeyRing, presented: str | None) -> str:
    with pytest.raises(KeyRefused) as refusal:
        ring.authenticate(presented)
    assert presented is None or len(presented) < 8 or presented not in refusal.value.message
    return refusal.value.code


def test_each_key_of_the_settings_opens_under_its_own_name(server_for: Serving) -> None:
    server = server_for(WEBSOCKET_API_KEY=f"{API_KEY},{SECOND_KEY}", WEBSOCKET_SERVER_SECRET="s" * 40)
    ring = BroadcastKeyRing(server.settings, ApiKeys(server.databases.own))
    assert [ring.authenticate(key).name for key in (API_KEY, SECOND_KEY, "s" * 40)] == [
        "WEBSOCKET_API_KEY#1", "WEBSOCKET_API_KEY#2", "WEBSOCKET_SERVER_SECRET",
    ]  # fmt: skip


def test_a_key_of_our_table_opens_with_its_scopes(ring: BroadcastKeyRing, keys: ApiKeys) -> None:
    _, secret = keys.create("blog", ["forum.*"], "anna")
    key = ring.authenticate(secret)
    assert key == BroadcastKey("blog", ("forum.*",))
    assert key.may_publish(parse_channel("forum.1"))
    assert not key.may_publish(parse_channel("private-user.1"))


def test_another_spelling_opens_and_closes_nothing() -> None:
    key = BroadcastKey("laravel", ("private-*", "conversation.*"))
    allowed = ("private-user.1", "user.1", "conversation.1", "private-conversation.1")
    refused = ("private-thread.1", "private-admin.x", "private-forum.1", "user.1.messages", "group.1")
    assert [name for name in (*allowed, *refused) if key.may_publish(parse_channel(name))] == list(allowed)


def test_a_key_made_a_moment_ago_opens_at_once(ring: BroadcastKeyRing, keys: ApiKeys, clock: Clock) -> None:
    assert code_of(ring, "unknown-unknown-unknown") == "key_invalid"
    clock.now += 0.3
    _, secret = keys.create("fresh", [], "anna")
    assert ring.authenticate(secret).name == "fresh"


def test_several_keys_live_side_by_side(ring: BroadcastKeyRing, keys: ApiKeys) -> None:
    secrets = [keys.create(name, [], "anna")[1] for name in ("old", "new")]
    assert [ring.authenticate(secret).name for secret in secrets] == ["old", "new"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_key_is_missing(ring: BroadcastKeyRing, nothing: str | None) -> None:
    assert code_of(ring, nothing) == "key_missing"


@pytest.mark.parametrize(
    "wrong", ["x", API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "x" * 5000, "\ud800", JWT_SECRET]
)
def test_a_wrong_key_is_invalid(ring: BroadcastKeyRing, wrong: str) -> None:
    assert code_of(ring, wrong) == "key_invalid"


def test_the_stored_hash_is_not_a_key(ring: BroadcastKeyRing, keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    assert code_of(ring, next(iter(keys.live_digests()))) == "key_invalid"


def test_a_persons_token_is_never_a_key(ring: BroadcastKeyRing, fast_door: Door) -> None:
    assert code_of(ring, fast_door.jwts.issue(7, timedelta(hours=1))) == "key_invalid"
    assert code_of(ring, f"41|{sanctum_secret()}") == "key_invalid"


def test_a_revoked_key_is_refused_within_seconds(ring: BroadcastKeyRing, keys: ApiKeys, clock: Clock) -> None:
    _, secret = keys.create("blog", [], "anna")
    assert ring.authenticate(secret)
    keys.revoke("blog")
    clock.now += 2.1
    assert code_of(ring, secret) == "key_invalid"


def test_a_rotated_key_opens_with_both_secrets_under_one_name(ring: BroadcastKeyRing, keys: ApiKeys) -> None:
    _, first = keys.create("blog", ["forum.*"], "anna")
    _, second, _ = keys.rotate("blog", timedelta(days=1), "anna")
    assert ring.authenticate(first) == ring.authenticate(second) == BroadcastKey("blog", ("forum.*",))


def test_an_old_secret_ends_on_time_though_the_table_was_read_before(
    ring: BroadcastKeyRing, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = keys.create("blog", [], "anna")
    _, second, _ = keys.rotate("blog", timedelta(days=1), "anna")
    assert ring.authenticate(first).name == "blog"
    monkeypatch.setattr(KeyRecord, "over", property(lambda record: record.expires_at is not None))
    assert code_of(ring, first) == "key_invalid"
    assert ring.authenticate(second).name == "blog"


def test_a_table_of_keys_is_compared_once_per_fetch_and_secret(
    ring: BroadcastKeyRing, keys: ApiKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(1) or compare(a, b))
    secrets = [keys.create(f"k{number}", [], "anna")[1] for number in range(20)]
    for _ in range(3):
        assert [ring.authenticate(secret).name for secret in secrets] == [f"k{n}" for n in range(20)]
    assert len(compared) == 20 * 20
    keys.revoke("k7")
    clock.now += 2.1
    assert code_of(ring, secrets[7]) == "key_invalid"
    assert ring.authenticate(secrets[8]).name == "k8"


def test_wrong_keys_are_not_remembered(ring: BroadcastKeyRing) -> None:
    for number in range(50):
        assert code_of(ring, f"wrong-{number}") == "key_invalid"
    assert not ring._found


def test_use_is_noted_once_a_minute_and_not_per_event(
    ring: BroadcastKeyRing, own_server: Server, keys: ApiKeys, clock: Clock
) -> None:
    _, secret = keys.create("blog", [], "anna")

    def used() -> bool:
        return keys.list()[0].last_used_at is not None

    ring.authenticate(secret)
    wait_until(used, "the use to be noted")
    with own_server.databases.own.write() as connection:
        connection.exec_driver_sql("UPDATE rt_api_keys SET last_used_at = NULL")
    ring.authenticate(secret)
    time.sleep(0.2)
    assert not used()
    clock.now += 61.0
    ring.authenticate(secret)
    wait_until(used, "the use to be noted again")


def test_before_the_migrations_ran_the_settings_keys_open_and_others_do_not(server_for: Serving) -> None:
    server = server_for(migrate=False)
    ring = BroadcastKeyRing(server.settings, ApiKeys(server.databases.own))
    assert ring.authenticate(API_KEY)
    assert code_of(ring, "x" * 40) == "key_invalid"


def test_while_our_database_is_away_known_keys_still_open_and_unknown_ones_cannot_be_told(
    mariadb_server: MariaDBServer, server_for: Serving, clock: Clock
) -> None:
    server = server_for(own=mariadb_server.create_database("own_outage"))
    keys = ApiKeys(server.databases.own)
    _, secret = keys.create("blog", [], "anna")
    ring, late_ring = (BroadcastKeyRing(server.settings, keys, clock) for _ in range(2))
    assert ring.authenticate(secret)
    mariadb_server.stop()
    clock.now += 2.1
    assert ring.authenticate(secret).name == "blog"
    assert late_ring.authenticate(API_KEY)
    with pytest.raises(Unavailable) as refusal:
        late_ring.authenticate(secret)
    assert refusal.value.code == "keys_unavailable"


def test_a_frozen_database_delays_a_publisher_by_half_a_second_at_most(
    mariadb_server: MariaDBServer, server_for: Serving, clock: Clock
) -> None:
    server = server_for(own=mariadb_server.create_database("own_frozen"))
    keys = ApiKeys(server.databases.own)
    _, secret = keys.create("blog", [], "anna")
    ring = BroadcastKeyRing(server.settings, keys, clock)
    ring.authenticate(secret)
    clock.now += 2.1
    mariadb_server.pause()
    started = time.monotonic()
    assert ring.authenticate(secret).name == "blog"
    assert time.monotonic() - started < 1.5
    mariadb_server.resume()
