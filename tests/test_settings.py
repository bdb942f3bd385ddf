"""Settings: typed values, and one sentence naming the variable for every wrong one."""

import pytest

from mechamap.domain.history import Bounds
from mechamap.domain.recovery import STALLED
from mechamap.domain.roles import Level
from mechamap.domain.webhooks import USUAL, WebhookEvent
from mechamap.settings import DEV_SECRETS_FILE, PLAN_ORIGINS, AppEnv, ChannelAuth, SettingsError, load

STRONG = "s" * 48
PRODUCTION = {"APP_ENV": "production", "SECRET_KEY": STRONG, "JWT_SECRET": STRONG}


@pytest.fixture
def env(tmp_path):
    return {"INSTANCE_PATH": str(tmp_path / "instance")}


def test_the_defaults_are_a_working_development_server(env, tmp_path):
    settings = load(env)
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 3000, 1)
    assert settings.app_env is AppEnv.DEVELOPMENT
    assert settings.redis_url is None
    assert settings.database_url == settings.laravel_database_url
    assert settings.database_url.startswith("sqlite:///")
    assert settings.allowed_origins[:3] == PLAN_ORIGINS
    assert (settings.ping_interval_ms, settings.ping_timeout_ms) == (25_000, 20_000)


def test_no_client_is_taken_to_have_answered_whose_silence_a_stall_of_the_worker_hid(env):
    """Silent from now on it is noticed after interval and timeout, and a stall that nobody notices."""
    settings = load({**env, "WS_PING_INTERVAL": "1000", "WS_PING_TIMEOUT": "1000"})
    assert settings.answers_within > 1 + 1 + STALLED


def test_generated_secrets_are_kept_and_private(env, tmp_path):
    first, second = load(env), load(env)
    assert first.jwt_secret == second.jwt_secret
    assert first.api_keys == second.api_keys
    assert len({first.secret_key, first.jwt_secret, *first.api_keys}) == 3
    assert ((tmp_path / "instance" / DEV_SECRETS_FILE).stat().st_mode & 0o777) == 0o600


def test_a_given_secret_is_never_replaced(env):
    assert load({**env, "JWT_SECRET": "mine"}).jwt_secret == "mine"


def test_secrets_do_not_show_in_a_printed_settings(env):
    settings = load({**env, "REDIS_URL": "redis://:hunter2@localhost", "WEBSOCKET_SERVER_SECRET": "hunter3"})
    for secret in (settings.jwt_secret, settings.secret_key, *settings.api_keys, "hunter2", "hunter3"):
        assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "3_000"),
        ("PORT", "３０００"),
        ("WEB_CONCURRENCY", "0"),
        ("APP_ENV", "prod"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_ALGORITHM", "RS256"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "localhost:6379"),
        ("LARAVEL_REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis+sentinel://localhost:26379"),
        ("REDIS_URL", "redis+sentinel:///mymaster"),
        ("REDIS_URL", "redis+sentinel://a:26379,/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:port/mymaster"),
        ("REDIS_URL", "redis+sentinel://a:0/mymaster"),
        ("REDIS_URL", "redis+sentinel://a/mymaster/first"),
        ("REDIS_URL", "redis+sentinel://a/mymaster/0/1"),
        ("REDIS_URL", "redis+sentinel://a/mymaster?sentinel=x"),
        ("REDIS_URL", "redis+cluster://"),
        ("REDIS_URL", "redis+cluster://a:99999"),
        ("REDIS_URL", "redis+cluster://a:6379/1"),
        ("REDIS_URL", "redis+cluster://a?sentinel_password=x"),
        ("REDIS_URL", "redis+proxy://a"),
        ("HISTORY_SECONDS", "0"),
        ("HISTORY_USER_SECONDS", "long"),
        ("HISTORY_EVENTS", "0"),
        ("DATABASE_URL", "localhost"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("ALLOWED_ORIGINS", "a.example"),
        ("TRUSTED_PROXIES", "everyone"),
        ("DRIVER_NETWORKS", "everyone"),
        ("DRIVER_NETWORKS", "none, 10.0.0.0/8"),
        ("SSL_CERT_PATH", "/no/such/file.pem"),
        ("WS_PING_INTERVAL", "fast"),
        ("WS_PING_TIMEOUT", "-1"),
        ("APP_TIMEZONE", "Mars/Olympus"),
        ("RATE_LIMITS", "maybe"),
        ("OUTBOX", "perhaps"),
        ("OUTBOX_POLL_MS", "0"),
        ("OUTBOX_IDLE_POLL_MS", "20"),
        ("LOG_LEVEL", "LOUD"),
        ("LARAVEL_API_URL", "mechamap.com"),
        ("LARAVEL_API_URL", "ftp://mechamap.com"),
        ("LARAVEL_API_URL", "https://"),
        ("LARAVEL_API_URL", "https://mechamap.com:port"),
        ("LARAVEL_API_URL", "https://mechamap.com/?key=1"),
        ("LARAVEL_AUTH_URL", "https://mechamap.com/a b"),
        ("LARAVEL_GROUP_MESSAGE_PATH", "api/groups"),
        ("LARAVEL_GROUP_MESSAGE_PATH", "/api/groups?x=1"),
        ("LARAVEL_GROUP_MESSAGE_PATH", "//evil.example/x"),
        ("SANCTUM_MODE", "both"),
        ("SANCTUM_MODE", "http"),
        ("SANCTUM_CACHE_SECONDS", "0"),
        ("CHANNEL_AUTH", "rules,me"),
        ("CHANNEL_AUTH", "rules,rules"),
        ("CHANNEL_AUTH", "laravel"),
        ("WEBHOOK_URL", "mechamap.com"),
        ("WEBHOOK_URL", "https://a.example,ftp://b.example"),
        ("WEBHOOK_URL", "https://a.example,https://a.example/"),
        ("WEBHOOK_URL", ",".join(f"https://{letter}.example" for letter in "abcde")),
        ("WEBHOOK_URL", f"https://a.example/{'x' * 255}"),
        ("WEBHOOK_EVENTS", "channel_occupied,everything"),
        ("WEBHOOK_EVENTS", "channel_occupied"),
        ("WEBHOOK_APP", "1001"),
        ("LOG_FORMAT", "xml"),
        ("ROLE_LEVELS", "vip"),
        ("ROLE_LEVELS", "vip=king"),
        ("CONSOLE_ROLES", "admin"),
        ("CONSOLE_ROLES", "admin=king"),
        ("CONSOLE_ROLES", "=viewer"),
        ("CONSOLE_ROLES", "admin=viewer,admin=operator"),
        ("AUDIT_DAYS", "-1"),
        ("AUDIT_DAYS", "a year"),
        ("PRIVATE_FORUM_LEVEL", "king"),
        ("MAX_CONNECTIONS_PER_USER", "-1"),
        ("MAX_CONNECTIONS_PER_USER", "many"),
        ("MAX_CONNECTIONS_PER_ROLE", "guest"),
        ("MAX_CONNECTIONS_PER_ROLE", "guest=two"),
        ("MAX_CONNECTIONS_PER_ROLE", "guest=2.5"),
        ("MAX_CONNECTIONS_PER_ROLE", "=2"),
        ("MAX_CONNECTIONS_PER_ROLE", "guest=2,guest=3"),
        ("MAX_CONNECTIONS_PER_ROLE", "guest=10001"),
        ("MAX_BROADCAST_BYTES", "10"),
        ("RECHECK_SECONDS", "nan"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence_that_names_the_variable(env, name, value):
    with pytest.raises(SettingsError) as refusal:
        load({**env, name: value})
    assert str(refusal.value).startswith(f"{name}: ")
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@localhost",
        "redis+sentinel://:hunter2@localhost",
        "redis+cluster://:hunter2@localhost/7",
        "redis+sentinel://a/mymaster?sentinel_password=hunter2&more=hunter2",
    ],
)
def test_a_url_with_a_password_is_not_repeated(env, url):
    with pytest.raises(SettingsError) as refusal:
        load({**env, "REDIS_URL": url})
    assert "hunter2" not in str(refusal.value)


def test_webhooks_go_where_and_tell_what_was_said_and_are_signed_by_an_app(env):
    assert (load(env).webhook_urls, load(env).webhook_app) == ((), None)
    given = {**env, "WEBHOOK_URL": "https://a.example/hooks, http://b.example/"}
    with pytest.raises(SettingsError, match="^WEBHOOK_APP: is required with WEBHOOK_URL"):
        load(given)
    given["WEBHOOK_APP"] = "1001"
    settings = load(given)
    assert settings.webhook_urls == ("https://a.example/hooks", "http://b.example")
    assert settings.webhook_events == USUAL and settings.webhook_app == "1001"
    told = load({**given, "WEBHOOK_EVENTS": "client_event, Channel_Vacated"}).webhook_events
    assert told == (WebhookEvent.CHANNEL_VACATED, WebhookEvent.CLIENT_EVENT)
    app = {"PUSHER_APP_ID": "7", "PUSHER_APP_KEY": "key", "PUSHER_APP_SECRET": "s" * 20}
    assert load({**env, **app, "WEBHOOK_URL": "https://a.example"}).webhook_app == "7"
    with pytest.raises(SettingsError, match="^WEBHOOK_URL: must begin with https://"):
        load({**given, **PRODUCTION})


def test_laravel_is_called_by_https_or_on_this_machine(env):
    url, production = "http://mechamap.com/", {**env, **PRODUCTION}
    assert load({**env, "LARAVEL_API_URL": url}).laravel_api_url == "http://mechamap.com"
    for name in ("LARAVEL_API_URL", "LARAVEL_AUTH_URL"):
        with pytest.raises(SettingsError, match=f"^{name}: must begin with https://"):
            load({**production, name: url})
        for near in (
            "https://mechamap.com",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost",
        ):
            load({**production, name: near})
    with pytest.raises(SettingsError) as refusal:
        load({**env, "LARAVEL_API_URL": "https://user:hunter2@mechamap.com"})
    assert "hunter2" not in str(refusal.value)


def test_channels_are_asked_of_laravel_at_its_usual_path_or_where_it_was_said(env):
    asked = {**env, "CHANNEL_AUTH": "rules, Laravel", "LARAVEL_API_URL": "https://mechamap.com/"}
    assert load(asked).channel_auth == (ChannelAuth.RULES, ChannelAuth.LARAVEL)
    assert load(asked).broadcasting_auth_url == "https://mechamap.com/broadcasting/auth"
    elsewhere = "https://mechamap.com/api/broadcasting/auth"
    assert load({**asked, "LARAVEL_AUTH_URL": elsewhere}).broadcasting_auth_url == elsewhere
    assert load(env).channel_auth == (ChannelAuth.RULES,)


def test_laravels_redis_is_heard_only_under_a_prefix_that_somebody_named(env):
    url = {"LARAVEL_REDIS_URL": "redis://:hunter2@localhost"}
    assert load(env).laravel_redis_url is None
    for nothing in ({}, {"LARAVEL_REDIS_PREFIX": ""}, {"LARAVEL_REDIS_PREFIX": "  "}):
        with pytest.raises(SettingsError, match="^LARAVEL_REDIS_PREFIX: is required") as refusal:
            load({**env, **url, **nothing})
        assert "hunter2" not in str(refusal.value)
    given = load({**env, **url, "LARAVEL_REDIS_PREFIX": "laravel_database_"})
    assert given.laravel_redis_prefix == "laravel_database_"
    assert "hunter2" not in repr(given)
    assert load({**env, **url, "LARAVEL_REDIS_PREFIX": "none"}).laravel_redis_prefix == ""


@pytest.mark.parametrize("prefix", ["x" * 201, "a\x07b"])
def test_a_prefix_that_laravel_cannot_have_is_refused(env, prefix):
    with pytest.raises(SettingsError, match="^LARAVEL_REDIS_PREFIX: "):
        load({**env, "LARAVEL_REDIS_URL": "redis://localhost", "LARAVEL_REDIS_PREFIX": prefix})


def test_a_prefix_without_a_redis_to_hear_is_a_contradiction(env):
    with pytest.raises(SettingsError, match="^LARAVEL_REDIS_PREFIX: does nothing without LARAVEL_REDIS_URL"):
        load({**env, "LARAVEL_REDIS_PREFIX": "laravel_database_"})


APP = {"PUSHER_APP_ID": "7", "PUSHER_APP_KEY": "key", "PUSHER_APP_SECRET": "a" * 20}


def test_an_app_is_its_id_its_keys_and_their_secrets(env):
    assert load(env).apps == ()
    [app] = load({**env, **APP, "PUSHER_APP_KEY": "new, old", "PUSHER_APP_SECRET": "a, b"}).apps
    assert (app.id, [(key.key, key.secret) for key in app.keys]) == ("7", [("new", "a"), ("old", "b")])
    assert "a" * 20 not in repr(load({**env, **APP}))


@pytest.mark.parametrize("missing", APP)
def test_an_app_is_whole_or_none(env, missing):
    given = {name: value for name, value in APP.items() if name != missing}
    with pytest.raises(SettingsError, match=f"^{missing}: is required with"):
        load({**env, **given})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUSHER_APP_ID", "a/b"),
        ("PUSHER_APP_KEY", "a:b"),
        ("PUSHER_APP_SECRET", "one,two"),
        ("PUSHER_PATH", "/api"),
        ("PUSHER_PATH", "a b"),
        ("PUSHER_PATH", "a//b"),
    ],
)
def test_an_app_that_cannot_be(env, name, value):
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load({**env, **APP, name: value})


@pytest.mark.parametrize("secret", ["short", "changeme", "with a blank and long"])
def test_production_wants_a_secret_that_is_one(env, secret):
    strong = {**env, **PRODUCTION, **APP}
    assert load(strong).apps
    with pytest.raises(SettingsError, match="^PUSHER_APP_SECRET: ") as refusal:
        load({**strong, "PUSHER_APP_SECRET": secret})
    assert secret not in str(refusal.value)


@pytest.mark.parametrize("path", ["pusher", "/pusher", "/pusher/"])
def test_a_path_in_any_spelling(env, path):
    assert load({**env, "PUSHER_PATH": path}).pusher_path == "/pusher"


def test_what_is_kept_of_channels_can_be_set(env):
    assert load(env).history == Bounds(120.0, 600.0, 500)
    set_otherwise = {"HISTORY_SECONDS": "30", "HISTORY_USER_SECONDS": "60.5", "HISTORY_EVENTS": "50"}
    assert load({**env, **set_otherwise}).history == Bounds(30.0, 60.5, 50)


def test_the_driver_comes_from_this_machine_unless_told_otherwise(env):
    assert load(env).driver_networks == ("127.0.0.0/8", "::1/128")
    assert load({**env, "DRIVER_NETWORKS": "10.0.0.7, 10.1.0.0/16"}).driver_networks == (
        "10.0.0.7",
        "10.1.0.0/16",
    )
    assert load({**env, "DRIVER_NETWORKS": "none"}).driver_networks == ()


def test_more_workers_need_redis(env):
    with pytest.raises(SettingsError, match="REDIS_URL"):
        load({**env, "WEB_CONCURRENCY": "2"})
    assert load({**env, "WEB_CONCURRENCY": "2", "REDIS_URL": "redis://localhost"}).workers == 2


def test_a_certificate_needs_its_key(env, tmp_path):
    cert = tmp_path / "cert.pem"
    cert.write_text("x")
    with pytest.raises(SettingsError, match="go together"):
        load({**env, "SSL_CERT_PATH": str(cert)})


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET"])
def test_production_generates_nothing(env, name):
    values = {key: value for key, value in PRODUCTION.items() if key != name}
    with pytest.raises(SettingsError, match=f"^{name}: is required"):
        load({**env, **values})


@pytest.mark.parametrize(
    "wrong",
    [
        {"SECRET_KEY": "short"},
        {"JWT_SECRET": "changeme"},
        {"WEBSOCKET_API_KEY": f"{STRONG},weak"},
        {"WEBSOCKET_API_KEY": f"weak,{STRONG}"},
        {"WEBSOCKET_SERVER_SECRET": "secret"},
        {"JWT_SECRET_PREVIOUS": "old"},
        {"RATE_LIMITS": "off"},
    ],
)
def test_production_refuses_weak_secrets_and_open_gates(env, wrong):
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load({**env, **PRODUCTION, **wrong})


def test_production_starts_with_strong_secrets_and_has_no_demo(env):
    settings = load({**env, **PRODUCTION, "WEBSOCKET_API_KEY": f"{STRONG},{'t' * 40}"})
    assert settings.production
    assert not settings.demo
    assert len(settings.api_keys) == 2


def test_lists_and_pairs_are_read(env):
    settings = load(
        {
            **env,
            "ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
            "TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, ::1",
            "ROLE_LEVELS": "vip=senior_member, robot = guest",
        }
    )
    assert settings.allowed_origins[:2] == ("https://a.example", "https://b.example:8443")
    assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "::1")
    assert settings.ladder.level("vip") == Level.SENIOR_MEMBER
    assert settings.ladder.level("robot") == Level.GUEST
    assert settings.ladder.level("member") == Level.MEMBER


def test_a_secret_may_come_from_a_file(env, tmp_path):
    path = tmp_path / "jwt"
    path.write_text("from-a-file\n")
    assert load({**env, "JWT_SECRET_FILE": str(path)}).jwt_secret == "from-a-file"
    with pytest.raises(SettingsError, match="^JWT_SECRET_FILE: "):
        load({**env, "JWT_SECRET_FILE": str(tmp_path / "missing")})


def test_messages_of_groups_need_an_address_and_a_key_to_go_with(env):
    name = "LARAVEL_GROUP_MESSAGE_PATH"
    given = {
        name: "/api/groups/message",
        "LARAVEL_API_URL": "https://mechamap.com",
        "LARAVEL_API_KEY": STRONG,
    }
    assert load({**env, **given}).laravel_group_message_path == "/api/groups/message"
    for missing in ("LARAVEL_API_URL", "LARAVEL_API_KEY"):
        with pytest.raises(SettingsError) as refused:
            load({**env, **given, missing: ""})
        assert str(refused.value) == f"{name}: needs {missing}."


def test_limits_of_connections_are_numbers_per_role(env):
    limits = load({**env, "MAX_CONNECTIONS_PER_USER": "7", "MAX_CONNECTIONS_PER_ROLE": "guest=3, vip = 9"})
    found = [limits.connection_limits.of(role) for role in ("guest", "vip", "member", "admin")]
    assert found == [3, 9, 7, 20]
    assert load(env).connection_limits.of("member") == 5
    staff = load({**env, "ROLE_LEVELS": "helper=moderator"}).connection_limits
    assert staff.of("helper") == 20
    assert load({**env, "MAX_CONNECTIONS_PER_USER": "0"}).connection_limits.off


def test_limits_of_roles_without_a_limit_of_users_are_contradictory(env):
    with pytest.raises(SettingsError) as refusal:
        load({**env, "MAX_CONNECTIONS_PER_USER": "0", "MAX_CONNECTIONS_PER_ROLE": "guest=2"})
    assert str(refusal.value).startswith("MAX_CONNECTIONS_PER_ROLE: ")
