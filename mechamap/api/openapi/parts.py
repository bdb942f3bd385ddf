"""Pieces of which the descriptions are made."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

AT = "2026-11-23T03:12:45.123456Z"
EPOCH = "k3Fz0aQx"
ID = "01kax3r6q2zv9m4t"
KEY_REFUSALS = (401, 403, 429, 503)
"""Statuses of every call that needs a key."""
MEANINGS = {
    400: "The request cannot be read.",
    401: "No key or signature, or one that is not ours.",
    403: "The key or app may not do this.",
    404: "There is no such thing.",
    409: "Another publication was accepted under this name.",
    413: "Over a limit of size, which is named.",
    422: "A field breaks a rule; `field` names it.",
    429: "Too often; `Retry-After` says when again.",
    503: "Redis or a database is away; with `outcome: unknown` it may have been accepted all the same.",
}


def ref(name: str) -> Json:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


COUNT: Json = {"type": "integer", "minimum": 0}
AT_MOMENT: Json = {"type": "string", "format": "date-time"}
CHANNEL_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200}
EVENT_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200}
DATA: Json = {"description": "Any JSON value, at most MAX_BROADCAST_BYTES and 32 levels."}


def shape(required: tuple[str, ...] | str, /, **properties: Json) -> Json:
    """An object with these properties, of which the named ones, or ``all``, are there always."""
    names = list(properties) if required == "all" else list(required)
    return {"type": "object", "required": names, "properties": properties}


def operation(
    tag: str,
    name: str,
    summary: str,
    *,
    description: str = "",
    parameters: Sequence[Json] = (),
    body: Json | None = None,
    answers: Mapping[int, Json],
    refusals: Sequence[int] = (),
    security: Sequence[Json] | None = None,
) -> Json:
    """One call. ``security`` None is a broadcast key, empty is nobody's."""
    found: Json = {"tags": [tag], "operationId": name, "summary": summary}
    if description:
        found["description"] = description
    if parameters:
        found["parameters"] = list(parameters)
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": body}}
    found["responses"] = {str(status): answer for status, answer in answers.items()}
    for status in refusals:
        found["responses"][str(status)] = {
            "description": MEANINGS[status],
            "content": {"application/json": {"schema": ref("Refusal")}},
        }
    if security is not None:
        found["security"] = list(security)
    return found


def content(schema: Json, **examples: Any) -> Json:
    """A body in JSON, with examples by name."""
    return {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}


def answer(description: str, schema: Json, **examples: Any) -> Json:
    """An answer in JSON."""
    return {"description": description, "content": {"application/json": content(schema, **examples)}}


def in_path(name: str, description: str, example: Any) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


def in_query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def whole(least: int, most: int, default: int | None = None) -> Json:
    """A whole number within these bounds."""
    schema: Json = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The publisher's own name for the publication: it is accepted once in ten minutes.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 202},
    "example": "order-4711-paid",
}
CHANNEL = in_path("channel", "A channel in any of its spellings.", "private-user.7")
