"""``flask convert``: what it prints is taken by this server, and means what it meant."""

import io
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from mechamap.cli.convert import command, quoted
from mechamap.settings import Settings, load

SECRET = "a-secret-of-the-other-server-of-40-signs"
NODE = {
    "NODE_ENV": "production",
    "PORT": "7000",
    "CLUSTER_WORKERS": "3",
    "SSL_ENABLED": "false",
    "SSL_CERT_PATH": "/etc/tls/cert.pem",
    "DB_HOST": "db.internal",
    "DB_NAME": "mechamap",
    "DB_USER": "app",
    "DB_PASSWORD": "p@ss:w/rd#'1",
    "REDIS_HOST": "127.0.0.1",
    "REDIS_PASSWORD": "hush",
    "REDIS_DB": "2",
    "JWT_SECRET": SECRET,
    "LARAVEL_API_URL": "https://mechamap.com",
    "LARAVEL_API_KEY": "mechamap_ws_key",
    "ALLOWED_ORIGINS": "https://mechamap.com, https://www.mechamap.com",
    "CORS_ORIGIN": "https://mechamap.com,*",
    "WS_PING_INTERVAL": "20000",
    "MAX_CONNECTIONS_PER_USER": "4",
    "LOG_LEVEL": "warn",
    "GC_INTERVAL": "20000",
}
REVERB = {
    "APP_KEY": "base64:abc",
    "APP_URL": "https://shop.example.com/",
    "APP_TIMEZONE": "Europe/Berlin",
    "BROADCAST_CONNECTION": "reverb",
    "REVERB_APP_ID": "shop",
    "REVERB_APP_KEY": "public",
    "REVERB_APP_SECRET": SECRET,
    "DB_CONNECTION": "mysql",
    "DB_DATABASE": "shop",
    "DB_USERNAME": "shop",
    "DB_PASSWORD": "",
    "MAIL_PASSWORD": "of-the-mail",
}
SOKETI = {
    "SOKETI_DEFAULT_APP_ID": "shop",
    "SOKETI_DEFAULT_APP_KEY": "public",
    "SOKETI_DEFAULT_APP_SECRET": SECRET,
    "SOKETI_PORT": "6001",
    "SOKETI_ADAPTER_DRIVER": "redis",
    "SOKETI_DB_REDIS_HOST": "10.0.0.2",
    "SOKETI_METRICS_ENABLED": "1",
}
ECHO = {
    "authHost": "https://shop.example.com/",
    "authEndpoint": "/broadcasting/auth",
    "clients": [{"appId": "a", "key": "b"}],
    "database": "redis",
    "databaseConfig": {"redis": {"host": "10.0.0.2", "port": "6380", "keyPrefix": "shop_database_"}},
    "port": 6001,
    "protocol": "http",
    "apiOriginAllow": {"allowCors": True, "allowOrigin": "https://shop.example.com"},
    "devMode": True,
}


def converted(path: Path) -> tuple[dict[str, str], str]:
    outcome = CliRunner().invoke(command, [str(path)])
    assert outcome.exit_code == 0, outcome.output
    return dotenv_values(stream=io.StringIO(outcome.stdout)), outcome.stderr


def env_file(path: Path, values: dict[str, str]) -> Path:
    path.write_text("".join(f"{name}={quoted(value)}\n" for name, value in values.items()))
    return path


def taken(settings: dict[str, str], tmp_path: Path, **more: str) -> Settings:
    """The server starts with them."""
    return load({"INSTANCE_PATH": str(tmp_path), **settings, **more})


def test_the_node_server_s_settings(tmp_path: Path):
    printed, left = converted(env_file(tmp_path / "node.env", NODE))
    settings = taken(printed, tmp_path, SECRET_KEY="s" * 20 + "k" * 20)
    assert settings.production and (settings.port, settings.workers) == (7000, 3)
    assert settings.laravel_database_url == (
        "mysql+pymysql://app:p%40ss%3Aw%2Frd%23%271@db.internal:3306/mechamap?charset=utf8mb4"
    )
    assert settings.redis_url == "redis://:hush@127.0.0.1:6379/2"
    assert settings.allowed_origins == ("https://mechamap.com", "https://www.mechamap.com")
    assert (settings.jwt_secret, settings.log_level) == (SECRET, "WARNING")
    assert settings.ssl_cert_path is None and settings.max_connections_per_user == 4
    assert "GC_INTERVAL" in left and SECRET not in left


def test_a_laravel_s_with_reverb(tmp_path: Path):
    printed, left = converted(env_file(tmp_path / ".env", REVERB))
    settings = taken(printed, tmp_path)
    assert settings.apps[0].id == "shop" and settings.apps[0].keys[0].secret == SECRET
    assert settings.allowed_origins == ("https://shop.example.com",)
    assert settings.channel_auth == ("laravel",)
    assert settings.broadcasting_auth_url == "https://shop.example.com/broadcasting/auth"
    assert settings.app_timezone == "Europe/Berlin"
    assert settings.laravel_database_url == "mysql+pymysql://shop:@127.0.0.1:3306/shop?charset=utf8mb4"
    assert "MAIL_PASSWORD" in left and "of-the-mail" not in left


def test_a_laravel_s_whose_redis_is_heard(tmp_path: Path):
    env = {"APP_KEY": "k", "BROADCAST_DRIVER": "redis", "REDIS_HOST": "127.0.0.1", "APP_URL": "http://a.test"}
    for prefix, ours in (("site_", "site_"), ("", "none")):
        printed, _ = converted(env_file(tmp_path / ".env", {**env, "REDIS_PREFIX": prefix}))
        assert printed["LARAVEL_REDIS_PREFIX"] == ours
        assert taken(printed, tmp_path).laravel_redis_url == "redis://127.0.0.1:6379"
    printed, _ = converted(env_file(tmp_path / ".env", env))
    assert "LARAVEL_REDIS_PREFIX" not in printed


def test_soketi_s(tmp_path: Path):
    printed, left = converted(env_file(tmp_path / "soketi.env", SOKETI))
    settings = taken(printed, tmp_path, LARAVEL_API_URL="https://shop.example.com")
    assert settings.apps[0].keys[0].key == "public"
    assert (settings.port, settings.redis_url) == (6001, "redis://10.0.0.2:6379")
    assert "SOKETI_METRICS_ENABLED" in left


def test_laravel_echo_server_s(tmp_path: Path):
    path = tmp_path / "laravel-echo-server.json"
    path.write_text(json.dumps(ECHO))
    printed, left = converted(path)
    settings = taken(printed, tmp_path)
    assert settings.port == 6001 and settings.channel_auth == ("laravel",)
    assert settings.broadcasting_auth_url == "https://shop.example.com/broadcasting/auth"
    assert (settings.laravel_redis_url, settings.laravel_redis_prefix) == (
        "redis://10.0.0.2:6380",
        "shop_database_",
    )
    assert settings.allowed_origins == ("https://shop.example.com",)
    assert "devMode" in left


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("other.env", "A=1\n"),
        ("other.json", '{"a": 1}'),
        ("broken.json", "{"),
        ("list.json", "[]"),
        ("deep.json", "[" * 100_000),
        ("binary.env", "\udcff"),
    ],
)
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, name: str, content: str):
    path = tmp_path / name
    path.write_bytes(content.encode(errors="surrogateescape"))
    outcome = CliRunner().invoke(command, [str(path)])
    assert outcome.exit_code == 1 and isinstance(outcome.exception, SystemExit)
    assert len(outcome.stderr.splitlines()) == 1 and not outcome.stdout


@pytest.mark.parametrize(
    "value", ["plain", "with blank", "it's", 'say "x"', "a#b", "back\\slash", "p@ss:w/rd"]
)
def test_a_value_comes_out_of_the_file_as_it_went_in(value: str):
    assert dotenv_values(stream=io.StringIO(f"A={quoted(value)}\n"))["A"] == value


def test_it_is_a_command_of_flask():
    assert isinstance(command, click.Command) and command.name == "convert"
