"""What single examinations of ``flask doctor`` find."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import gevent
import pytest

from mechamap.cli.doctor import (
    certificates,
    credentials,
    laravel_http,
    laravel_redis,
    machine,
    redis,
    settings_file,
)
from mechamap.cli.doctor.finding import Finding, Status, worst
from mechamap.cli.doctor.skew import skew
from mechamap.presence.protocol import WorkerRecord
from mechamap.settings import AppEnv, ChannelAuth, SanctumMode, Settings, load
from tests.services.laravel_api import HTML, REDIRECT, says
from tests.services.processes import ROOT

from .certificate import make_certificate

GOOD = "a-good-secret-of-more-than-thirty-two-characters"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load({"INSTANCE_PATH": str(tmp_path)})


@pytest.fixture
def with_certificate(settings: Settings, tmp_path) -> Callable[..., Settings]:
    def make(**options) -> Settings:
        certificate, key = make_certificate(tmp_path / "tls", **options)
        return replace(settings, ssl_cert_path=certificate, ssl_key_path=key)

    return make


def named(findings: Iterable[Finding], name: str) -> Finding:
    [found] = [finding for finding in findings if finding.name == name]
    return found


def test_the_worst_finding_decides():
    statuses = [Finding("a", "b", status, "") for status in (Status.WARN, Status.FAIL, Status.OK)]
    assert worst(statuses) is Status.FAIL
    assert worst(statuses[::2]) is Status.WARN
    assert worst([]) is Status.OK


# --- secrets


def test_generated_secrets_are_well(settings: Settings):
    assert worst(credentials.examine(settings, table_keys=0)) is Status.OK


@pytest.mark.parametrize(
    "placeholder", ["secret", "changeme", "changeme-changeme-changeme-changeme-1", "a" * 40, "xY9z-Kw2" * 6]
)
def test_a_placeholder_fails_anywhere(settings: Settings, placeholder: str):
    found = named(credentials.examine(replace(settings, jwt_secret=placeholder), 0), "JWT_SECRET")
    assert found.status is Status.FAIL and "secrets.token_urlsafe" in found.mend
    assert placeholder not in found.said


def test_a_short_secret_warns_while_developing_and_fails_in_production(settings: Settings):
    weak = replace(settings, secret_key="Kurz-und-gut")
    assert named(credentials.examine(weak, 0), "SECRET_KEY").status is Status.WARN
    weak = replace(weak, app_env=AppEnv.PRODUCTION)
    assert named(credentials.examine(weak, 0), "SECRET_KEY").status is Status.FAIL


def test_one_secret_in_two_places_is_noticed(settings: Settings):
    found = named(credentials.examine(replace(settings, api_keys=(GOOD,), jwt_secret=GOOD), 0), "reuse")
    assert found.status is Status.WARN
    assert "JWT_SECRET and WEBSOCKET_API_KEY" in found.said and GOOD not in found.said


def test_an_installation_without_any_key_is_noticed(settings: Settings):
    keyless = replace(settings, api_keys=())
    assert named(credentials.examine(keyless, 0), "publishers").status is Status.WARN
    assert worst(credentials.examine(keyless, table_keys=1)) is Status.OK


def test_secrets_in_a_file_that_others_may_read_are_noticed(settings: Settings):
    path = settings.instance_path / "dev-secrets.env"
    path.chmod(0o644)
    assert named(credentials.examine(settings, 0), "dev-secrets.env").status is Status.WARN


# --- certificates


def test_a_misspelt_setting_is_noticed_and_other_programs_variables_are_not(tmp_path):
    file = tmp_path / ".env"
    assert list(settings_file.examine(file)) == []
    file.write_text((ROOT / ".env.example").read_text() + "\nCOMPOSE_PROJECT_NAME=x\nTZ=UTC\n")
    [well] = settings_file.examine(file)
    assert well.status is Status.OK
    file.write_text("REDIS_URI=redis://:hush@127.0.0.1\nTRUSTED_PROXY=10.0.0.1\nPORT=3000\n")
    redis_url, proxies = settings_file.examine(file)
    assert (redis_url.status, redis_url.name) == (Status.WARN, "REDIS_URI")
    assert "REDIS_URL" in redis_url.mend and "TRUSTED_PROXIES" in proxies.mend
    assert "hush" not in repr((redis_url, proxies))


def test_without_certificate_there_is_nothing_to_examine(settings: Settings):
    assert worst(certificates.examine(settings)) is Status.OK


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ({"days": 90}, Status.OK, "good until"),
        ({"days": 10.5}, Status.WARN, "in 10 days"),
        ({"days": -0.5}, Status.FAIL, "expired"),
        ({"days": 90, "begins": timedelta(days=1)}, Status.FAIL, "valid only from"),
    ],
)
def test_a_certificates_time_is_judged(with_certificate, options: dict, status: Status, word: str):
    found = named(certificates.examine(with_certificate(**options)), "certificate")
    assert found.status is status and word in found.said


def test_a_key_of_another_certificate_fails(with_certificate, tmp_path):
    _, other = make_certificate(tmp_path / "other")
    found = named(certificates.examine(replace(with_certificate(), ssl_key_path=other)), "key")
    assert found.status is Status.FAIL


def test_a_file_that_is_no_certificate_fails_in_a_sentence(with_certificate):
    settings = with_certificate()
    settings.ssl_cert_path.write_text("hello")
    assert named(certificates.examine(settings), "files").status is Status.FAIL


# --- clocks


@pytest.mark.parametrize(
    ("theirs", "asked", "answered", "seconds"),
    [
        (100.0, 99.9, 100.1, 0.0),  # within the question's own duration
        (100.0, 100.0, 105.0, 0.0),  # a slow answer is no skew
        (90.0, 100.0, 100.1, -10.0),
        (110.0, 99.0, 100.0, 10.0),
    ],
)
def test_only_what_the_duration_of_the_question_cannot_explain_is_skew(theirs, asked, answered, seconds):
    assert skew(theirs, asked, answered).seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("ahead", "status"), [(0, Status.OK), (-3, Status.WARN), (6, Status.FAIL), (-6, Status.FAIL)]
)
def test_a_skew_beyond_the_tokens_leeway_fails(ahead: int, status: Status):
    found = skew(1000.0 + ahead, 1000.0, 1000.0).finding("Redis", "Redis")
    assert found.status is status
    assert ("ahead of" in found.said) == (ahead > 0)


# --- machine


def test_too_few_descriptors_warn_while_developing_and_fail_in_production(settings: Settings):
    many = replace(settings, max_connections=10**9)
    assert named(machine.examine(many, []), "descriptors").status is Status.WARN
    production = replace(many, app_env=AppEnv.PRODUCTION)
    found = named(machine.examine(production, []), "descriptors")
    assert found.status is Status.FAIL and "ulimit -n" in found.mend


def test_a_running_workers_own_limit_counts_not_that_of_this_terminal(settings: Settings):
    import os
    import resource
    import socket

    worker = WorkerRecord("w", 0, os.getpid(), socket.gethostname(), 0.0, 0, 0)
    assert machine.limit_of(worker) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert machine.limit_of(replace(worker, host="elsewhere")) is None
    assert "a running worker" in named(machine.examine(settings, [worker]), "descriptors").said


def test_production_behind_an_unnamed_proxy_is_noticed(settings: Settings):
    production = replace(settings, app_env=AppEnv.PRODUCTION)
    assert named(machine.examine(production, []), "proxy").status is Status.WARN
    trusted = replace(production, trusted_proxies=("10.0.0.0/8",))
    assert named(machine.examine(trusted, []), "proxy").status is Status.OK


# --- Redis


def test_no_redis_is_well(settings: Settings):
    assert worst(redis.examine(settings)) is Status.OK


def test_a_running_redis_is_well(settings: Settings, redis_server):
    findings = list(redis.examine(replace(settings, redis_url=redis_server.url)))
    assert worst(findings) is Status.OK
    assert {"version", "latency", "clock"} == {finding.name for finding in findings}


def test_a_redis_that_forgets_is_noticed(settings: Settings, redis_server):
    client = redis_server.client()
    client.config_set("maxmemory", "50mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = named(redis.examine(replace(settings, redis_url=redis_server.url)), "eviction")
    finally:
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
    assert found.status is Status.WARN and "allkeys-lru" in found.said


def test_a_redis_that_asks_for_a_password_fails_in_a_sentence(settings: Settings, redis_server):
    client = redis_server.client()
    client.config_set("requirepass", "hush")
    try:
        found = named(redis.examine(replace(settings, redis_url=redis_server.url)), "answer")
    finally:
        client.config_set("requirepass", "")
    assert found.status is Status.FAIL and "password" in found.said


def test_a_redis_that_refuses_to_be_examined_is_no_failure(settings: Settings, redis_server):
    redis_server.client().acl_setuser(
        "narrow", enabled=True, passwords=["+hush"], categories=["+@all"], commands=["-info"]
    )
    url = f"redis://narrow:hush@127.0.0.1:{redis_server.port}/0"
    found = named(redis.examine(replace(settings, redis_url=url)), "answer")
    redis_server.client().acl_deluser("narrow")
    assert found.status is Status.WARN and "cannot be examined" in found.said


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hush@127.0.0.1:9/0",
        "redis+sentinel://:hush@127.0.0.1:9/primary?sentinel_password=hush",
        "rediss+cluster://:hush@127.0.0.1:9",
    ],
)
def test_a_redis_that_is_away_fails_in_a_sentence_without_its_password(settings: Settings, url: str):
    findings = list(redis.examine(replace(settings, redis_url=url)))
    assert [finding.status for finding in findings] == [Status.FAIL]
    assert "hush" not in str(findings)


# --- Laravel's Redis


@pytest.fixture
def hearing(settings: Settings, redis_server) -> Settings:
    return replace(settings, laravel_redis_url=redis_server.url, laravel_redis_prefix="site_database_")


def listen_while(settings: Settings, redis_server, *channels: str) -> list[Finding]:
    """Examine while somebody publishes to the channels."""

    def publish() -> None:
        client = redis_server.client()
        while not client.execute_command("PUBSUB", "NUMPAT"):
            gevent.sleep(0.01)
        for channel in channels:
            client.publish(channel, "{}")

    publisher = gevent.spawn(publish)
    findings = list(laravel_redis.examine(settings, seconds=0.6))
    publisher.join()
    return findings


def test_laravels_redis_is_not_looked_for_where_it_is_not_to_be_heard(settings: Settings):
    assert list(laravel_redis.examine(settings)) == []


def test_the_prefix_is_heard(hearing: Settings, redis_server):
    findings = listen_while(hearing, redis_server, "site_database_private-user.7", "site_database_public.x")
    assert worst(findings) is Status.OK
    assert "site_database_ (2)" in named(findings, "prefix").said


def test_another_prefix_is_shown(hearing: Settings, redis_server):
    heard = ("old_database_private-user.7", "mechamap:{rt}:channel:public:news", "horizon:metrics")
    found = named(listen_while(hearing, redis_server, *heard), "prefix")
    assert found.status is Status.WARN
    assert "old_database_ (1)" in found.said
    assert "horizon" not in found.said and "{rt}" not in found.said


def test_silence_proves_nothing(hearing: Settings):
    findings = list(laravel_redis.examine(hearing, seconds=0.2))
    assert worst(findings) is Status.OK
    assert "again while Laravel publishes" in named(findings, "prefix").said


def test_a_redis_of_laravel_that_is_away_fails_in_a_sentence_without_its_password(settings: Settings):
    url = "redis://:hush@127.0.0.1:9/0"
    found = named(laravel_redis.examine(replace(settings, laravel_redis_url=url)), "answer")
    assert found.status is Status.FAIL
    assert "hush" not in found.said + found.mend


def test_an_account_that_may_not_listen_is_told(hearing: Settings, redis_server):
    client = redis_server.client()
    client.acl_setuser(
        "deaf", enabled=True, passwords=["+hush"], commands=["+@all", "-psubscribe"], keys=["*"]
    )
    url = f"redis://deaf:hush@127.0.0.1:{redis_server.port}/0"
    found = named(laravel_redis.examine(replace(hearing, laravel_redis_url=url), seconds=0.2), "answer")
    client.acl_deluser("deaf")
    assert found.status is Status.FAIL and "PSUBSCRIBE" in found.mend


# --- Laravel over HTTP


@pytest.mark.parametrize(
    ("behaviour", "status", "word"),
    [
        (says({"message": "Invalid token"}, 401), Status.OK, "verifies"),
        (says({"message": "Invalid API key"}, 401), Status.FAIL, "LARAVEL_API_KEY"),
        (says({"message": "Too Many Attempts."}, 429), Status.WARN, "limit"),
        (HTML, Status.FAIL, "html"),
        (REDIRECT, Status.FAIL, "302"),
    ],
)
def test_laravel_is_asked_about_a_token_that_does_not_exist(
    settings: Settings, laravel_api, behaviour, status, word
):
    laravel_api.behaviour = behaviour
    asked = replace(settings, laravel_api_url=laravel_api.url, sanctum_mode=SanctumMode.HTTP)
    found = named(laravel_http.examine(asked, Mode()), "tokens")
    assert found.status is status
    assert word in found.said


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (says({"message": "Unauthenticated."}, 401), Status.OK),
        (says({"message": ""}, 403), Status.OK),
        (says(b""), Status.FAIL),
        (says(b"true"), Status.FAIL),
        (REDIRECT, Status.FAIL),
        (says(b"", 419), Status.FAIL),
    ],
)
def test_laravel_is_asked_about_a_channel_as_a_stranger(settings: Settings, laravel_api, behaviour, status):
    laravel_api.behaviour = behaviour
    asked = replace(settings, laravel_auth_url=laravel_api.url, channel_auth=(ChannelAuth.LARAVEL,))
    assert named(laravel_http.examine(asked, Mode()), "channels").status is status


def test_without_an_address_laravel_is_not_asked(settings: Settings):
    assert list(laravel_http.examine(settings, Mode())) == []


class Mode:
    """The mode in use, as the server would tell it."""

    def in_use(self) -> SanctumMode:
        return SanctumMode.HTTP
