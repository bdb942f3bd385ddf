"""Health, metrics, and this description."""

from .parts import Json, answer, in_query, operation, ref

_READY: Json = {
    "status": "ready",
    "ready": True,
    "reasons": [],
    "checks": {"broker": {"ok": True, "detail": "Redis answers."}},
}
_AWAY: Json = {
    "status": "unavailable",
    "ready": False,
    "reasons": ["broker: Redis does not answer."],
    "checks": {"broker": {"ok": False, "detail": "Redis does not answer."}},
}


def _get(name: str, summary: str, answers: dict[int, Json], **more: object) -> Json:
    return {"get": operation("machines", name, summary, answers=answers, security=[], **more)}


PATHS: Json = {
    "/health": _get(
        "health",
        "Whether the worker lives",
        {200: answer("It does.", ref("Alive"), one={"status": "ok", "version": "0.1.0", "uptime": 12.5})},
    ),
    "/health/ready": _get(
        "ready",
        "Whether the worker should get traffic, and if not, why",
        {
            200: answer(
                "It should; `degraded` if something that only sign-ins need is away.",
                ref("Ready"),
                one=_READY,
            ),
            503: answer("It should not.", ref("Ready"), one=_AWAY),
        },
        parameters=[in_query("strict", "`1`: 503 for `degraded` too.", {"const": "1"})],
    ),
    "/metrics": _get(
        "metrics",
        "Prometheus metrics of this machine's workers",
        {
            200: {
                "description": "Prometheus' text format.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    ),
    "/api/openapi.json": _get(
        "openapi",
        "This description",
        {200: answer("OpenAPI 3.1.", {"type": "object", "required": ["openapi", "paths"]})},
    ),
}
