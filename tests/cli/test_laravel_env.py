"""``flask doctor --laravel-env``: what a Laravel site's ``.env`` has that does not fit."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from mechamap.cli.doctor import laravel_env
from mechamap.cli.doctor.finding import Finding, Status, worst
from mechamap.cli.doctor.laravel_env_redis import prefixes
from mechamap.cli.doctor.laravel_env_secrets import Accepted
from mechamap.domain.apps import App
from mechamap.domain.pusher_signature import AppKey
from mechamap.settings import AppEnv, ChannelAuth, Settings, load

from .conftest import KEY, running_here, settings_in

JWT = "a-secret-for-json-web-tokens-of-both-sides"
ASKED = "mechamap_ws_the-key-that-laravel-asks-the-server-for"
SECRET = "the-secret-of-the-app-of-a-site"
FITTING = {
    "APP_NAME": "Mecha Map",
    "APP_URL": "https://mechamap.com",
    "APP_TIMEZONE": "Asia/Ho_Chi_Minh",
    "APP_KEY": "base64:c29tZSBrZXkgb2YgTGFyYXZlbA==",
    "BROADCAST_CONNECTION": "nodejs",
    "QUEUE_CONNECTION": "database",
    "NODEJS_BROADCAST_URL": "http://127.0.0.1:3000",
    "WEBSOCKET_SERVER_URL": "https://realtime.mechamap.com",
    "WEBSOCKET_API_KEY": KEY,
    "WEBSOCKET_API_KEY_HASH": hashlib.sha256(ASKED.encode()).hexdigest(),
    "JWT_SECRET": JWT,
    "SANCTUM_TOKEN_PREFIX": "mm_",
    "DB_CONNECTION": "mysql",
    "DB_DATABASE": "mechamap",
}
REVERB = {
    **FITTING,
    "BROADCAST_CONNECTION": "reverb",
    "REVERB_APP_ID": "shop",
    "REVERB_APP_KEY": "public",
    "REVERB_APP_SECRET": SECRET,
    "REVERB_HOST": "127.0.0.1",
    "REVERB_PORT": "3000",
    "REVERB_SCHEME": "http",
}
REDIS = {**FITTING, "BROADCAST_CONNECTION": "redis", "REDIS_PORT": "6380"}


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load(
        {
            "INSTANCE_PATH": str(tmp_path),
            "WEBSOCKET_API_KEY": KEY,
            "JWT_SECRET": JWT,
            "APP_TIMEZONE": "Asia/Ho_Chi_Minh",
            "LARAVEL_API_URL": "https://mechamap.com",
            "LARAVEL_API_KEY": ASKED,
            "LARAVEL_DATABASE_URL": "mysql://realtime:hush@127.0.0.1/mechamap",
            "LARAVEL_REDIS_URL": "redis://:hush@127.0.0.1:6380/0",
            "LARAVEL_REDIS_PREFIX": "mecha_map_database_",
        }
    )


def compared(settings: Settings, env: dict[str, str], *apps: App) -> list[Finding]:
    digests = frozenset(hashlib.sha256(key.encode()).hexdigest() for key in settings.api_keys)
    return list(laravel_env.compare(settings, env, Accepted(digests, {app.id: app for app in apps})))


def app(**changes) -> App:
    return replace(App("shop", (AppKey("public", SECRET),)), **changes)


def trouble(findings: list[Finding]) -> dict[str, Status]:
    return {finding.name: finding.status for finding in findings if finding.status is not Status.OK}


def test_what_fits_is_well(settings: Settings):
    assert trouble(compared(settings, FITTING)) == {}
    assert trouble(compared(settings, REVERB, app())) == {}
    assert trouble(compared(settings, REDIS)) == {}


@pytest.mark.parametrize(
    ("changed", "name", "status", "word"),
    [
        ({"APP_ENV": "production"}, "APP_ENV", "warn", "development here"),
        ({"BROADCAST_CONNECTION": "log"}, "BROADCAST_CONNECTION", "fail", "go to nobody"),
        ({"BROADCAST_CONNECTION": ""}, "BROADCAST_CONNECTION", "fail", "not set"),
        ({"BROADCAST_CONNECTION": "ably"}, "BROADCAST_CONNECTION", "fail", "Ably"),
        ({"BROADCAST_CONNECTION": "soketi"}, "BROADCAST_CONNECTION", "warn", "'soketi'"),
        ({"QUEUE_CONNECTION": "sync"}, "QUEUE_CONNECTION", "warn", "page waits"),
        ({"QUEUE_CONNECTION": ""}, "QUEUE_CONNECTION", "fail", "thrown away"),
        ({"NODEJS_BROADCAST_URL": ""}, "NODEJS_BROADCAST_URL", "warn", "not set"),
        ({"NODEJS_BROADCAST_URL": "http://localhost:7000"}, "NODEJS_BROADCAST_URL", "fail", "port 7000"),
        ({"NODEJS_BROADCAST_URL": "http://127.0.0.1:3000/api"}, "NODEJS_BROADCAST_URL", "fail", "path"),
        ({"NODEJS_BROADCAST_URL": "ws://127.0.0.1:3000"}, "NODEJS_BROADCAST_URL", "fail", "no address"),
        ({"NODEJS_BROADCAST_URL": "http://10.0.0.7:3000"}, "NODEJS_BROADCAST_URL", "warn", "clear text"),
        ({"NODEJS_BROADCAST_URL": "https://realtime.mechamap.com"}, "driver", "warn", "sends no key"),
        ({"WEBSOCKET_SERVER_URL": "http://127.0.0.1:3000"}, "WEBSOCKET_SERVER_URL", "fail", "over https"),
        ({"WEBSOCKET_API_KEY": "x" * 40}, "WEBSOCKET_API_KEY", "fail", "placeholder"),
        ({"WEBSOCKET_API_KEY": KEY + "2"}, "WEBSOCKET_API_KEY", "fail", "none of the server's keys"),
        ({"WEBSOCKET_API_KEY": ""}, "WEBSOCKET_API_KEY", "fail", "no key"),
        ({"WEBSOCKET_SERVER_SECRET": KEY[::-1]}, "WEBSOCKET_SERVER_SECRET", "fail", "none of the server's"),
        ({"WEBSOCKET_API_KEY_HASH": "0" * 64}, "WEBSOCKET_API_KEY_HASH", "fail", "not the hash"),
        ({"WEBSOCKET_API_KEY_HASH": ""}, "WEBSOCKET_API_KEY_HASH", "warn", "not set"),
        ({"JWT_SECRET": JWT[::-1]}, "JWT_SECRET", "fail", "another one"),
        ({"JWT_SECRET": ""}, "JWT_SECRET", "warn", "not set"),
        ({"JWT_SECRET": "", "APP_KEY": JWT}, "JWT_SECRET", "warn", "opens sessions"),
        ({"JWT_SECRET": "", "APP_KEY": f"base64:{JWT}"}, "JWT_SECRET", "fail", "no base64:"),
        ({"APP_TIMEZONE": ""}, "APP_TIMEZONE", "fail", "UTC there"),
        ({"APP_URL": "https://example.org"}, "APP_URL", "fail", "not in ALLOWED_ORIGINS"),
        ({"APP_URL": "mechamap"}, "APP_URL", "warn", "no address"),
        ({"APP_URL": "https://www.mechamap.com"}, "LARAVEL_API_URL", "warn", "https://www.mechamap.com"),
        ({"DB_DATABASE": "other"}, "DB_DATABASE", "warn", "names mechamap"),
        ({"CONTENT_SECURITY_POLICY_ENABLED": "true"}, "CONTENT_SECURITY_POLICY_ENABLED", "warn", "policy"),
    ],
)
def test_what_does_not_fit_is_told_with_how_to_mend_it(settings: Settings, changed, name, status, word):
    [found] = [f for f in compared(settings, {**FITTING, **changed}) if f.name == name and f.status != "ok"]
    assert found.status == status and word in found.said
    assert found.mend or name == "APP_URL"


@pytest.mark.parametrize(
    ("changed", "apps", "name", "word"),
    [
        ({"REVERB_APP_SECRET": ""}, [app()], "REVERB_APP_ID", "not all set"),
        ({}, [], "REVERB_APP_ID", "no app 'shop'"),
        ({}, [app(enabled=False)], "REVERB_APP_ID", "disabled"),
        ({"REVERB_APP_KEY": "another"}, [app()], "REVERB_APP_KEY", "another key"),
        ({"REVERB_APP_SECRET": "another"}, [app()], "REVERB_APP_SECRET", "every signature"),
        ({"REVERB_HOST": ""}, [app()], "REVERB_HOST", "nowhere"),
        ({"REVERB_PORT": "8080"}, [app()], "REVERB_HOST", "port 8080"),
        ({"VITE_REVERB_APP_KEY": "public"}, [app()], "VITE_REVERB_APP_KEY", "pusher-js"),
    ],
)
def test_the_app_of_a_driver_is_compared(settings: Settings, changed, apps, name, word):
    [found] = [f for f in compared(settings, {**REVERB, **changed}, *apps) if f.status is not Status.OK]
    assert (found.name, word in found.said, bool(found.mend)) == (name, True, True)


def test_a_pusher_driver_without_a_host_goes_to_pusher_itself(settings: Settings):
    pusher = {name.replace("REVERB_", "PUSHER_"): value for name, value in REVERB.items()}
    pusher |= {"BROADCAST_CONNECTION": "", "BROADCAST_DRIVER": "pusher"}
    assert trouble(compared(settings, pusher, app())) == {}
    found = compared(settings, {**pusher, "PUSHER_HOST": ""}, app())
    assert any(one.name == "PUSHER_HOST" and "to Pusher itself" in one.said for one in found)


@pytest.mark.parametrize(
    ("env", "prefix"),
    [
        ({"APP_NAME": "Mecha Map"}, "mecha_map_database_"),
        ({"APP_NAME": "Mecha Map"}, "mecha-map-database-"),
        ({}, "laravel_database_"),
        ({"REDIS_PREFIX": "site:"}, "site:"),
        ({"REDIS_PREFIX": ""}, ""),
    ],
)
def test_the_prefix_is_what_laravel_makes_of_its_name(env: dict[str, str], prefix: str):
    assert prefix in prefixes(env)


def test_a_redis_that_is_not_heard_as_laravel_speaks_is_told(settings: Settings):
    assert trouble(compared(settings, {**REDIS, "REDIS_PREFIX": "other:"})) == {"prefix": Status.FAIL}
    assert trouble(compared(settings, {**REDIS, "REDIS_PORT": ""})) == {"LARAVEL_REDIS_URL": Status.WARN}
    deaf = replace(settings, laravel_redis_url=None)
    assert trouble(compared(deaf, REDIS)) == {"LARAVEL_REDIS_URL": Status.FAIL}


def test_a_driver_that_says_yes_to_everybody_is_not_to_be_asked(settings: Settings):
    asking = replace(settings, channel_auth=(ChannelAuth.RULES, ChannelAuth.LARAVEL))
    assert trouble(compared(asking, FITTING)) == {"CHANNEL_AUTH": Status.WARN}
    assert trouble(compared(asking, REVERB, app())) == {}


def test_a_key_that_laravel_asks_for_and_nobody_has_is_told(settings: Settings):
    keyless = replace(settings, laravel_api_key=None)
    assert trouble(compared(keyless, FITTING)) == {"WEBSOCKET_API_KEY_HASH": Status.FAIL}
    unasked = replace(keyless, laravel_api_url=None)
    assert trouble(compared(unasked, FITTING)) == {}


def test_no_secret_of_either_side_is_shown(settings: Settings):
    wrong = {
        **REVERB,
        "WEBSOCKET_API_KEY": "theirs-" + KEY,
        "JWT_SECRET": "theirs-" + JWT,
        "REVERB_APP_SECRET": "theirs-" + SECRET,
        "WEBSOCKET_API_KEY_HASH": "ab" * 32,
        "NODEJS_BROADCAST_URL": "http://user:hidden-words@127.0.0.1:3000",
    }
    findings = compared(replace(settings, app_env=AppEnv.PRODUCTION), wrong, app())
    assert worst(findings) is Status.FAIL
    shown = " ".join(finding.said + finding.mend for finding in findings)
    for secret in (KEY, JWT, SECRET, ASKED, "hush", "hidden-words", wrong["APP_KEY"], "abab"):
        assert secret not in shown


def test_the_command_reads_the_file_and_the_keys_of_our_own_table(tmp_path: Path):
    with running_here(settings_in(str(tmp_path), PORT="9")) as runner:
        runner.flask("db", "upgrade").succeeded()
        made = runner.flask("keys", "create", "laravel", "--json").succeeded().json()
        file = tmp_path / "laravel.env"
        file.write_text(
            'APP_NAME="Mecha Map"\nAPP_URL=http://localhost:9\nBROADCAST_CONNECTION=null\n'
            f"WEBSOCKET_API_KEY='{made['secret']}' # made by flask\n"
        )
        told = runner.flask("doctor", "--laravel-env", str(file), "--json")
        found = {f["name"]: f["status"] for f in told.json()["findings"] if f["area"] == laravel_env.AREA}
        assert found["WEBSOCKET_API_KEY"] == "ok" and found["BROADCAST_CONNECTION"] == "fail"
        assert told.code == 1 and made["secret"] not in told.said


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "not UTF-8"),
        (b"A=1\n" * 300_000, "larger"),
        (b"PORT=3000\n", "no APP_"),
    ],
)
def test_a_file_that_is_none_fails_in_a_sentence(tmp_path: Path, settings: Settings, content, word: str):
    path = tmp_path / "laravel.env"
    if content is not None:
        path.write_bytes(content)
    [found] = laravel_env.examine(None, path)
    assert found.status is Status.FAIL and word in found.said
