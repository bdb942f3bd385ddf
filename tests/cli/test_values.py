"""The settings as ``flask doctor`` shows them."""

from dataclasses import fields

import pytest
from dotenv import dotenv_values

from mechamap.cli.doctor.values import SECRETS, URLS, VARIABLES, disguised, effective, without_password
from mechamap.settings import Settings, load
from tests.services.processes import ROOT

SECRET = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load(
        {
            "INSTANCE_PATH": str(tmp_path),
            "SECRET_KEY": f"{SECRET}-1",
            "JWT_SECRET": f"{SECRET}-2",
            "JWT_SECRET_PREVIOUS": f"{SECRET}-3",
            "WEBSOCKET_API_KEY": f"{SECRET}-4,{SECRET}-5",
            "WEBSOCKET_SERVER_SECRET": f"{SECRET}-6",
            "REDIS_URL": f"redis://:{SECRET}@cache:6379/0",
            "DATABASE_URL": f"mysql://mechamap:{SECRET}@db/realtime",
            "ROLE_LEVELS": "vip=senior_member",
            "MAX_CONNECTIONS_PER_ROLE": "guest=3,supplier=0",
        }
    )


def test_every_setting_is_shown_under_the_variable_that_sets_it(settings: Settings):
    assert set(VARIABLES) == {field.name for field in fields(Settings)}
    assert set(effective(settings)) <= set(dotenv_values(ROOT / ".env.example"))


def test_no_secret_is_shown(settings: Settings):
    assert SECRET not in str(effective(settings))


def test_every_field_that_settings_hide_from_their_own_text_is_disguised():
    assert {field.name for field in fields(Settings) if not field.repr} == SECRETS | URLS


def test_a_fingerprint_tells_two_secrets_apart(settings: Settings):
    assert disguised(f"{SECRET}-1") != disguised(f"{SECRET}-2")
    assert disguised(f"{SECRET}-1") == effective(settings)["SECRET_KEY"]


def test_a_secret_short_enough_to_be_guessed_gets_no_fingerprint():
    assert disguised("hunter2") == "set, 7 characters"


def test_only_what_was_added_to_the_ladder_is_shown(settings: Settings):
    assert effective(settings)["ROLE_LEVELS"] == "vip=senior_member"


def test_limits_of_roles_are_shown_as_they_are_set(settings: Settings):
    assert effective(settings)["MAX_CONNECTIONS_PER_ROLE"] == "guest=3, supplier=0"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("redis+sentinel://:hush@a:1,b:2/primary/0", "redis+sentinel://:***@a:1,b:2/primary/0"),
        (
            "redis+sentinel://a/primary?sentinel_password=hush",
            "redis+sentinel://a/primary?sentinel_password=***",
        ),
        ("redis://:hush@cache:6379/0", "redis://:***@cache:6379/0"),
        ("redis://cache/0?password=hush&db=1", "redis://cache/0?password=***&db=1"),
        ("mysql://app:hush@db/site?charset=utf8mb4", "mysql://app:***@db/site?charset=utf8mb4"),
        ("mysql://app:hu@sh/hu?sh@db/site", "mysql://app:***@db/site"),
        ("mysql://app@db/site?ssl_key_password=hush", "mysql://app@db/site?ssl_key_password=***"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
        ("sqlite:////data/mechamap.sqlite", "sqlite:////data/mechamap.sqlite"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str):
    assert without_password(url) == shown
