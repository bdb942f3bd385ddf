"""Documents are true: every route, code, metric, setting and file they should name is there, and what they
name exists."""

import re
from itertools import groupby
from pathlib import Path

import click
import pytest

import mechamap
from mechamap import create_app
from mechamap.api import application, connections, history
from mechamap.auth import channel_authorization, channel_laravel, channel_signature, sanctum_http
from mechamap.cli import webhooks as webhooks_cli
from mechamap.domain import (
    access,
    connection_limit,
    credentials,
    errors,
    grammar,
    group_messages,
    idempotency,
    payloads,
    privacy,
    rules,
    typing,
    webhooks,
    whispers,
    wire,
)
from mechamap.hub import typing as hub_typing
from mechamap.ingest import ingester, laravel_redis
from mechamap.laravel import client, verdict
from mechamap.outbox import reading
from mechamap.settings import load
from mechamap.store import webhooks as webhook_failures
from mechamap.store.laravel import outbox
from mechamap.store.laravel.schema import TABLES

ROOT = Path(__file__).resolve().parent.parent
API = (ROOT / "docs" / "API.md").read_text()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return create_app(load({"INSTANCE_PATH": str(tmp_path_factory.mktemp("instance"))}))


def test_the_api_document_names_every_public_route(app):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/admin", "/static", "/demo", "/socket.io")):
            continue
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule.removeprefix("/api/operator"))
        assert path in API, rule.rule


def codes_in(module) -> set[str]:
    return set(re.findall(r'code="([a-z_]+)"', Path(module.__file__).read_text()))


def test_the_api_document_names_every_code_of_the_domain():
    found = codes_in(idempotency) | codes_in(history)
    found |= codes_in(wire) | codes_in(errors) | codes_in(payloads) | codes_in(laravel_redis)
    found |= codes_in(whispers) | codes_in(reading) | codes_in(outbox)
    found |= codes_in(group_messages) | codes_in(typing) | codes_in(hub_typing)

    found |= codes_in(application) | codes_in(connections) | {privacy.WITHHELD, connection_limit.CODE}
    for dialect in (Path(mechamap.__file__).parent / "ingest" / "dialects").glob("*.py"):
        found |= set(re.findall(r'code="([a-z_]+)"', dialect.read_text()))
    found |= set(re.findall(r'"(ingest_(?:given|backlog)_[a-z_]+)"', Path(ingester.__file__).read_text()))
    judged = Path(access.__file__).read_text() + Path(rules.__file__).read_text()
    verdicts = set(re.findall(r'(?:False, |return )"([a-z]+_[a-z_]+)", f?"', judged)) - {"no_rule"}
    verdicts |= set(re.findall(r'False,\n +"([a-z_]+)"', judged))
    assert {"thread_spam", "role_too_low", "forum_role_unknown", "server_only"} <= verdicts
    for code in found | verdicts:
        stem = code.split("_")[0] + "_…"
        assert f"`{code}`" in API or f"`{stem}`" in API, code


def test_the_api_document_has_every_spelling_of_a_channel_in_the_row_of_its_canonical_name():
    rows = [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in API.splitlines() if row.startswith("| `")]
    for canonical, spellings in groupby(grammar.GRAMMAR, lambda row: row.canonical):
        names = [row.shown for row in spellings]
        assert [row[: len(names)] for row in rows if row and row[0] == names[0]] == [names], canonical


def test_the_documents_name_every_code_of_what_laravel_is_asked():
    trouble = (ROOT / "docs" / "TROUBLESHOOTING.md").read_text()
    asking = (channel_authorization, channel_laravel, channel_signature, credentials, sanctum_http, verdict)
    written = "".join(Path(module.__file__).read_text() for module in asking)
    events, obvious = {"verify_failed"}, {"auth_headers_invalid", "auth_invalid", "verify_busy"}
    found = set(re.findall(r'"((?:auth|verify)_[a-z]+(?:_[a-z]+)*)"', written)) - events
    found |= {f"{asked}_{why}" for asked in ("auth", "verify") for why in client.Trouble}
    found |= {f"auth_denied_{status}" for status in verdict._DENIALS}
    assert len(found) > 30
    for code in found:
        assert f"`{code}`" in API, code
        assert f"`{code}`" in trouble or code in obvious, code


def test_the_documents_name_every_event_and_code_of_webhooks():
    trouble = (ROOT / "docs" / "TROUBLESHOOTING.md").read_text()
    found = set(re.findall(r'code="(webhooks?_[a-z_]+)"', Path(webhooks_cli.__file__).read_text()))
    found |= codes_in(webhook_failures)
    assert found == {"webhook_unknown", "webhook_receiver_unknown", "webhooks_off"}
    vain = {f"webhook_{why}" for why in client.Trouble} | {f"webhook_status_{n}xx" for n in (3, 4, 5)}
    for name in (*webhooks.WebhookEvent, *found, *vain):
        assert f"`{name}`" in API, name
    for code in vain - {"webhook_paused", "webhook_busy", "webhook_status_5xx"}:
        assert f"`{code}`" in trouble, code


def test_the_api_document_names_every_event_that_is_handled_and_how_long_typing_lasts(app):
    handled = app.extensions["mechamap"].socketio.server.handlers["/"].keys() - {"connect", "disconnect", "*"}
    assert len(handled) > 15
    for name in handled | typing.TYPING_EVENTS:
        assert f"`{name}`" in API, name
    for seconds in (hub_typing.EXPIRES, hub_typing.AGAIN, hub_typing.FORGOTTEN):
        assert f" {seconds:.0f} seconds" in API


def test_the_api_document_names_every_reserved_event():
    for name in (*wire.RESERVED_EVENTS, *wire.RESERVED_PREFIXES):
        assert f"`{name}`" in API, name


def test_the_api_document_names_every_metric(app):
    exposed = app.extensions["mechamap"].metrics.render()[0].decode()
    for name in re.findall(r"^# TYPE (\S+)", exposed, re.MULTILINE):
        assert f"`{name}`" in API, name


NAMED = (
    "API",
    "ARCHITECTURE",
    "CONSOLE",
    "DEPLOYMENT",
    "MIGRATING",
    "RELIABILITY",
    "TROUBLESHOOTING",
    "laravel/README",
    "laravel/patches",
)
DOCUMENTS = ("README.md", *(f"docs/{name}.md" for name in NAMED))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_a_document_names_exist(document):
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    for link in links:
        assert ((ROOT / document).parent / link).exists(), link
    for path in re.findall(r"`((?:mechamap|deploy|docs|tests|templates|static)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_modules_that_the_architecture_names_exist():
    for path in re.findall(r"`((?:\w+/)+\w+\.py)`", (ROOT / "docs" / "ARCHITECTURE.md").read_text()):
        assert (ROOT / path).exists() or (ROOT / "mechamap" / path).exists(), path


def test_the_deployment_document_grants_every_table_that_is_read():
    granted = re.findall(
        r"GRANT SELECT.* ON mechamap\.(\w+) TO", (ROOT / "docs" / "DEPLOYMENT.md").read_text()
    )
    # the old name of notifications, which no site of today has
    assert set(TABLES) - {"custom_notifications"} <= set(granted)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_that_a_document_names_exist(app, document):
    named = re.findall(
        r"(?:`|^)flask ([a-z][\w-]*)(?: ([a-z][\w-]*))?", (ROOT / document).read_text(), re.MULTILINE
    )
    for word, more in named:
        command = app.cli.get_command(None, word)
        assert command is not None, f"flask {word}"
        if more and isinstance(command, click.Group):
            assert command.get_command(None, more) is not None, f"flask {word} {more}"


def variables(text: str) -> set[str]:
    return set(re.findall(r"`([A-Z][A-Z0-9_]{2,})(?:=[^`]*)?`", text))


def our_settings() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_settings_that_the_deployment_document_names_are_ours():
    named = {name for name in variables((ROOT / "docs" / "DEPLOYMENT.md").read_text()) if "_" in name}
    laravels = {name for name in named if name.startswith("REVERB_")}
    assert named - laravels - {"NAME_FILE"} <= our_settings()


def test_settings_that_the_document_of_the_move_names_are_ours_or_the_other_program_s():
    ours = our_settings()
    text = (ROOT / "docs" / "MIGRATING.md").read_text()
    theirs: set[str] = set()
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        titles, _, *rows = (
            [cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()
        )
        for title, cell in ((title, cell) for row in rows for title, cell in zip(titles, row, strict=True)):
            if title == "here":
                assert variables(cell) <= ours, cell
            elif title not in ("", "new value"):
                theirs |= variables(cell)
    assert variables(text) <= ours | theirs


def test_the_readme_maps_every_file_of_the_plan():
    readme = (ROOT / "README.md").read_text()
    plan = """
        app.js server.js database.js redis.js ssl.js auth.js cors.js rateLimit.js validation.js
        socketHandler.js channelManager.js eventProcessor.js connectionManager.js notificationService.js
        authService.js userService.js metricsService.js laravelApi.js redisSubscriber.js databaseClient.js
        logger.js validator.js helpers.js health.js metrics.js admin.js Dockerfile docker-compose.yml
        nginx.conf pm2.config.js API.md DEPLOYMENT.md TROUBLESHOOTING.md package.json .env.example
    """
    for name in plan.split():
        assert name in readme, name
