"""Documents are true: every route, code, metric, setting and file they should name is there, and what they
name exists."""

import re
from pathlib import Path

import pytest

from mechamap import create_app
from mechamap.api import history
from mechamap.domain import access, errors, idempotency, payloads, wire
from mechamap.ingest import ingester, laravel_redis
from mechamap.outbox import reading
from mechamap.settings import load
from mechamap.store.laravel import outbox

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
    found |= codes_in(reading) | codes_in(outbox)
    found |= set(re.findall(r'"(ingest_(?:given|backlog)_[a-z_]+)"', Path(ingester.__file__).read_text()))
    verdicts = set(
        re.findall(r'"((?:thread|forum|role|user|not)_[a-z_]+)"', Path(access.__file__).read_text())
    )
    for code in found | verdicts:
        stem = code.split("_")[0] + "_…"
        assert f"`{code}`" in API or f"`{stem}`" in API, code


def test_the_api_document_names_every_reserved_event():
    for name in (*wire.RESERVED_EVENTS, *wire.RESERVED_PREFIXES):
        assert f"`{name}`" in API, name


def test_the_api_document_names_every_metric(app):
    exposed = app.extensions["mechamap"].metrics.render()[0].decode()
    for name in re.findall(r"^# TYPE (\S+)", exposed, re.MULTILINE):
        assert f"`{name}`" in API, name


@pytest.mark.parametrize(
    "document",
    ["README.md", *(f"docs/{n}.md" for n in ("API", "ARCHITECTURE", "DEPLOYMENT", "TROUBLESHOOTING"))],
)
def test_files_that_a_document_names_exist(document):
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    for link in links:
        assert ((ROOT / document).parent / link).exists(), link
    for path in re.findall(r"`((?:mechamap|deploy|docs|tests|templates|static)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


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
