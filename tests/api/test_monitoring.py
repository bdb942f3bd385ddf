"""What monitors are told, whatever state the server is in, and who may ask for what."""

from types import SimpleNamespace

import pytest
from flask import Flask

from mechamap import __version__
from mechamap.api import connections, monitoring
from mechamap.api.monitoring import FRESH, Monitored
from mechamap.api.readers import Readers
from mechamap.auth.protocol import BroadcastKey
from mechamap.domain.errors import BrokerUnavailable, KeyRefused
from mechamap.edge import errors
from mechamap.edge.limits import RateLimits
from mechamap.edge.networks import Networks
from mechamap.health import Check
from mechamap.hub.operations import Totals
from mechamap.metrics.aliases import Figures
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord

OPEN = (
    "/api/health",
    "/api/status",
    "/api/metrics",
    "/api/monitoring/health",
    "/api/monitoring/metrics",
    "/api/monitoring/alerts",
)
GUARDED = (
    "/api/monitoring/prometheus",
    "/api/monitoring/performance",
    "/api/monitoring/connections",
    "/api/monitoring/info",
    "/api/connections/stats",
    "/api/connections/user/7",
)
KEYED = ("/api/connections/disconnect/7", "/api/connections/clear-all")
ABROAD = {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Keys:
    """One key for everything and one for a single user."""

    def authenticate(self, presented):
        if presented is None:
            raise KeyRefused("A key is required.", code="key_missing")
        if presented not in ("all", "seven"):
            raise KeyRefused("Unknown key.", code="key_invalid")
        return BroadcastKey(presented, ("private-user.7",) if presented == "seven" else ())


class Cluster:
    """Two workers; remembers what was ordered."""

    def __init__(self) -> None:
        self.away = False
        self.counted = 0
        self.kicked = []

    def totals(self):
        self.counted += 1
        if self.away:
            raise BrokerUnavailable("Redis is away.")
        return Totals(connections=12, users=9, channels=4, subscriptions=30, workers=2)

    def workers(self):
        return [WorkerRecord(f"w{n}", n, 100 + n, "host", 1000.0, 6, 50_000_000) for n in (1, 2)]

    def clients(self, *, user_id=None, sid=None, limit=1000):
        if user_id != 7:
            return []
        about = ("Hà", "member", "w1", "websocket", "203.0.113.77", "Mozilla", "jwt", 1000.5, None)
        return [ConnectionRecord("1.1", 7, *about, ("private-user.7",))]

    def kick(self, command):
        self.kicked.append(command)
        return 3


@pytest.fixture
def place():
    cluster, now = Cluster(), SimpleNamespace(seconds=100.0)
    checks = [Check("broker", True, "ok", essential=True), Check("laravel_database", True, "ok", False)]
    monitored = Monitored(
        environment="testing",
        features={"redis": True, "ssl": False, "outbox": False},
        checks=lambda: checks,
        figures=lambda: Figures(6, 8, 20, 3, 50, 400, 70, 1.5),
        render=lambda: (b"up 1\n", "text/plain; version=1.0.0"),
        operations=cluster,
    )
    readers = Readers(Keys(), RateLimits(on=False, redis=None), Networks(("127.0.0.0/8",)))
    app = Flask("tests")
    errors.init_app(app)
    app.register_blueprint(monitoring.blueprint(monitored, readers, lambda: now.seconds))
    app.register_blueprint(connections.blueprint(cluster, readers))
    return SimpleNamespace(client=app.test_client(), cluster=cluster, checks=checks, now=now)


def test_the_validating_command_reads_status_environment_and_version(place):
    answer = place.client.get("/api/health", **ABROAD)
    body = answer.get_json()
    assert (answer.status_code, body["status"]) == (200, "healthy")
    assert (body["environment"], body["version"]) == ("testing", __version__)
    assert body["uptime"] >= 0
    assert body["timestamp"].endswith("Z")


@pytest.mark.parametrize("path", ["/api/health", "/api/status", "/api/monitoring/health"])
def test_health_is_what_was_measured(place, path):
    def asked() -> tuple[int, str, list[str]]:
        answer = place.client.get(path, **ABROAD)
        body = answer.get_json()
        told = body.get("data", body)
        assert body.get("success", answer.status_code == 200) is (answer.status_code == 200)
        return answer.status_code, told["status"], told["reasons"]

    assert asked() == (200, "healthy", [])
    place.checks[1] = Check("laravel_database", False, "refused", False)
    assert asked() == (200, "degraded", ["laravel_database: refused"])
    place.checks[0] = Check("broker", False, "Redis is away", True)
    assert asked() == (503, "unhealthy", ["broker: Redis is away", "laravel_database: refused"])


def test_features_are_what_works(place):
    def features() -> dict[str, bool]:
        return place.client.get("/api/status", **ABROAD).get_json()["features"]

    told = features()
    assert (told["redis"], told["ssl"], told["outbox"], told["broadcasting"]) == (True, False, False, True)
    assert place.client.get("/api/status", base_url="https://x").get_json()["features"]["ssl"] is True
    place.checks[:] = [Check("broker", False, "away", True), Check("laravel_database", False, "away", False)]
    told = features()
    assert (told["redis"], told["broadcasting"], told["laravelDatabase"]) == (False, False, False)


def test_alerts_are_the_checks_that_fail(place):
    assert place.client.get("/api/monitoring/alerts").get_json()["data"] == {"alerts": [], "total": 0}
    place.checks[0] = Check("broker", False, "Redis is away", True)
    assert place.client.get("/api/monitoring/alerts").get_json()["data"] == {
        "alerts": [{"type": "broker", "level": "critical", "message": "Redis is away"}],
        "total": 1,
    }


@pytest.mark.parametrize("path", ["/api/monitoring/metrics", "/api/metrics"])
def test_metrics_have_the_totals_of_all_workers(place, path):
    body = place.client.get(path, **ABROAD).get_json()
    assert body["success"] is True
    assert body["data"]["connections"] == {"total": 12}
    assert body["data"]["uptime"]["seconds"] >= 0
    assert body["data"].keys() == {"connections", "users", "uptime"}
    assert place.client.get(path, headers=bearer("guess")).status_code == 401
    data = place.client.get(path, headers=bearer("all"), **ABROAD).get_json()["data"]
    assert (data["users"], data["workers"]) == ({"total": 9}, {"total": 2})
    assert data["machine"]["peak"] == 8
    assert place.client.get(path).get_json()["data"]["machine"]["published"] == 50


def test_whoever_asks_often_does_not_make_redis_work_more(place):
    for _ in range(5):
        place.client.get("/api/monitoring/metrics", **ABROAD)
    assert place.cluster.counted == 1
    place.now.seconds += FRESH
    place.client.get("/api/monitoring/metrics", **ABROAD)
    assert place.cluster.counted == 2


def test_counts_that_cannot_be_had_are_refused_and_not_invented(place):
    place.cluster.away = True
    answer = place.client.get("/api/monitoring/metrics", **ABROAD)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "broker_unavailable")
    assert "data" not in answer.get_json()


def test_prometheus_is_the_text_of_metrics(place):
    answer = place.client.get("/api/monitoring/prometheus")
    assert (answer.data, answer.content_type) == (b"up 1\n", "text/plain; version=1.0.0")


@pytest.mark.parametrize("path", OPEN)
def test_these_are_for_everybody_and_name_no_process_user_or_address(place, path):
    answer = place.client.get(path, **ABROAD)
    assert answer.status_code == 200
    for word in (b"pid", b"host", b"203.0.113", b"w1", b"rss", b"socketId"):
        assert word not in answer.data, word


@pytest.mark.parametrize("path", GUARDED)
def test_these_are_for_keys_and_for_this_machine(place, path):
    def code(**request) -> tuple[int, str | None]:
        answer = place.client.get(path, **request)
        return answer.status_code, (answer.get_json(silent=True) or {}).get("code")

    assert code(**ABROAD) == (401, "key_missing")
    assert code(**ABROAD, headers=bearer("guess")) == (401, "key_invalid")
    assert code(**ABROAD, headers=bearer("all")) == (200, None)
    assert code() == (200, None)
    assert code(headers=bearer("guess")) == (401, "key_invalid")
    assert code(headers={"X-Real-IP": "203.0.113.9"}) == (401, "key_missing")  # a proxy's
    assert code(headers={"Sec-Fetch-Site": "cross-site"}) == (401, "key_missing")  # a browser's


@pytest.mark.parametrize("path", KEYED)
def test_these_are_for_keys_only(place, path):
    answer = place.client.post(path)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "key_missing")
    assert place.client.get(path, headers=bearer("all")).status_code == 405
    assert place.cluster.kicked == []


def test_processes_are_shown_to_those_who_may_see_them(place):
    data = place.client.get("/api/monitoring/performance").get_json()["data"]
    assert [worker["pid"] for worker in data["workers"]] == [101, 102]
    assert data["workers"][0]["memory"] == {"rss": 50_000_000}
    data = place.client.get("/api/monitoring/connections").get_json()["data"]
    assert (data["total"], [worker["connections"] for worker in data["workers"]]) == (12, [6, 6])
    assert place.client.get("/api/monitoring/info").get_json()["data"]["version"] == __version__


def test_a_user_s_connections_are_shown_without_address_or_token(place):
    answer = place.client.get("/api/connections/user/7", headers=bearer("seven"))
    assert answer.get_json()["data"] == {
        "userId": 7,
        "connected": True,
        "connections": [
            {
                "socketId": "1.1",
                "connectedAt": "1970-01-01T00:16:40.500Z",
                "transport": "websocket",
                "worker": "w1",
            }
        ],
    }
    assert place.client.get("/api/connections/user/8").get_json()["data"]["connected"] is False


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_key_with_a_scope_reaches_only_the_users_in_it(place, method):
    ask, path = getattr(place.client, method), {"get": "user", "post": "disconnect"}[method]
    assert ask(f"/api/connections/{path}/7", headers=bearer("seven")).status_code == 200
    answer = ask(f"/api/connections/{path}/8", headers=bearer("seven"))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "key_scope")


def test_a_user_is_disconnected_with_the_reason_given(place):
    answer = place.client.post(
        "/api/connections/disconnect/7", json={"reason": "Signed out"}, headers=bearer("all")
    )
    assert answer.get_json()["connections"] == 3
    [command] = place.cluster.kicked
    assert (command.user_id, command.reason, command.code) == (7, "Signed out", "operator")
    place.client.post("/api/connections/disconnect/7", headers=bearer("all"))
    assert place.cluster.kicked[1].reason == "An operator closed the connection."


@pytest.mark.parametrize(
    ("user_id", "body", "code"),
    [
        ("0", b"", "user_id_invalid"),
        ("seven", b"", "user_id_invalid"),
        ("7abc", b"", "user_id_invalid"),
        ("9" * 30, b"", "user_id_invalid"),
        ("7", b"[1]", "invalid_request"),
        ("7", b"{", "invalid_request"),
        ("7", b'{"reason": 5}', "reason_invalid"),
        ("7", b'{"reason": " "}', "reason_invalid"),
        ("7", b'{"reason": "' + b"x" * 201 + b'"}', "reason_invalid"),
    ],
)
def test_bad_input_is_named(place, user_id, body, code):
    answer = place.client.post(f"/api/connections/disconnect/{user_id}", data=body, headers=bearer("all"))
    assert (answer.status_code, answer.get_json()["code"]) == (
        400 if code == "invalid_request" else 422,
        code,
    )
    assert place.cluster.kicked == []


def test_nobody_ends_every_connection_with_a_key(place):
    answer = place.client.post("/api/connections/clear-all", headers=bearer("all"))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "clear_all_refused")
    assert "flask clients kick" in answer.get_json()["message"]
    assert place.cluster.kicked == []
