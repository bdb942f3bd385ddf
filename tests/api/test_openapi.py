"""The description of the HTTP API: valid, about the routes there are, and true of what they answer."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from mechamap import create_app
from mechamap.api.openapi import document
from mechamap.settings import load
from tests.pusher.conftest import APP, Caller

KEY = "openapi-test-key-openapi-test-key-openapi"
DOCUMENT = document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
WITH_KEY = [
    name for name, each in OPERATIONS.items() if each["tags"][0] in ("publishing", "application", "channels")
]
SIGNED = [name for name, each in OPERATIONS.items() if each["tags"][0] == "pusher"]
MONITORS = [
    name for name, each in OPERATIONS.items() if each["tags"][0] == "monitors" and "200" in each["responses"]
]
OPEN = [name for name, each in OPERATIONS.items() if each["tags"][0] == "machines"]
PRIVATE = ("/admin", "/static", "/demo", "/socket.io", "/api/operator")
"""For people, for browsers, and for the command line of the same installation."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = {"INSTANCE_PATH": str(tmp_path_factory.mktemp("instance")), "WEBSOCKET_API_KEY": KEY}
    app = create_app(load({**settings, "LOG_LEVEL": "ERROR", "RATE_LIMITS": "off", **APP}))
    runtime = app.extensions["mechamap"].runtime
    runtime.start()
    yield app
    runtime.stop()


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """How the value breaks the schema."""
    judge = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(value)]


def bodies(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Each schema of a body in JSON, and its examples."""
    for kind, described in content.get("content", {}).items():
        if kind == "application/json":
            yield described["schema"], [each["value"] for each in described.get("examples", {}).values()]


def path_of(operation: dict[str, Any], path: str) -> str:
    """The path with the examples of its parameters."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    return path


def requests_of(name: str) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body of each example of a request."""
    method, path = name.split()
    operation = OPERATIONS[name]
    found = [example for _, examples in bodies(operation.get("requestBody", {})) for example in examples]
    for body in found or [None]:
        yield method, path_of(operation, path), body


def expect_described(name: str, answer: Any) -> None:
    described = OPERATIONS[name]["responses"][str(answer.status_code)]
    for schema, _ in bodies(described):
        # all of it is described, as far as it is an object
        whole = {"allOf": [schema], **({} if "openapi" in answer.json else {"unevaluatedProperties": False})}
        assert problems(whole, answer.json) == [], answer.text


def test_it_is_valid():
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_it_describes_the_public_routes_and_no_others(app):
    routes = {
        method + " " + re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule != "/" and not rule.rule.startswith(PRIVATE)
    }
    assert set(OPERATIONS) == routes


def test_names_of_operations_are_unique():
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_are_what_the_schemas_say(name):
    described = [OPERATIONS[name].get("requestBody", {}), *OPERATIONS[name]["responses"].values()]
    for content in described:
        for schema, examples in bodies(content):
            for example in examples:
                assert problems(schema, example) == []
    if "requestBody" in OPERATIONS[name]:
        assert all(examples for _, examples in bodies(OPERATIONS[name]["requestBody"]))


def test_it_is_served_to_everybody(client):
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(DOCUMENT))


@pytest.mark.parametrize("name", WITH_KEY)
def test_a_request_as_in_the_examples_is_answered_as_described(client, name):
    presence = "members" in name
    for method, path, body in requests_of(name):
        path = path.replace("private-user.7", "presence-thread.5") if presence else path
        answer = client.open(path, method=method, json=body, headers={"X-API-Key": KEY})
        assert answer.status_code == 200, answer.text
        expect_described(name, answer)


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_request_as_in_the_examples_is_answered_as_described(client, name):
    def send(method, path, body, *, headers):
        return client.open(path, method=method, data=body, headers=headers)

    call = Caller(send)
    for method, path, body in requests_of(name):
        answer = call(method, path, body)
        assert answer.status_code == 200, answer.text
        expect_described(name, answer)


@pytest.mark.parametrize("name", OPEN)
def test_machines_are_answered_as_described_without_a_key(client, name):
    [(method, path, _)] = requests_of(name)
    answer = client.open(path, method=method)
    assert answer.status_code == 200
    expect_described(name, answer)


@pytest.mark.parametrize("name", MONITORS)
def test_monitors_are_answered_as_described(client, name):
    for method, path, body in requests_of(name):
        for headers in ({"X-API-Key": KEY}, {"X-Real-IP": "192.0.2.1"}):
            answer = client.open(path, method=method, json=body, headers=headers)
            assert answer.status_code == 200 or "X-Real-IP" in headers
            expect_described(name, answer)


def test_what_nobody_may_do_is_refused_as_described(client):
    answer = client.post("/api/connections/clear-all", headers={"X-API-Key": KEY})
    assert answer.status_code == 403
    expect_described("POST /api/connections/clear-all", answer)


@pytest.mark.parametrize("name", [*WITH_KEY, *SIGNED])
def test_refusals_are_as_described(client, name):
    for method, path, body in requests_of(name):
        stranger = client.open(path, method=method, json=body, headers={"X-Real-IP": "192.0.2.1"})
        # the one that names no app in its path finds none
        assert stranger.status_code == (404 if path.startswith("/users") else 401)
        expect_described(name, stranger)
    if name in WITH_KEY and "requestBody" in OPERATIONS[name]:
        send = partial(client.open, path, method=method, headers={"X-API-Key": KEY})
        for body, status in (("{", 400), ('{"event": ""}', 422)):
            answer = send(data=body)
            assert answer.status_code == status
            expect_described(name, answer)
