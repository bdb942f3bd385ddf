"""The application's monitors on the whole server: their paths, their names of metrics, true numbers."""

import re

from tests.services.processes import wait_until

from .conftest import KEY, Site

WEBSOCKET = {"transports": ["websocket"]}
BEARER = {"Authorization": f"Bearer {KEY}"}


def metric(site: Site, name: str, path: str = "/api/monitoring/prometheus") -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", site.server.get(path).text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_every_path_of_a_monitor_answers(site):
    for path in ("health", "metrics", "performance", "alerts", "connections", "info"):
        answer = site.server.get(f"/api/monitoring/{path}")
        assert answer.status == 200, path
        assert answer.json().keys() == {"success", "data", "timestamp"}
    assert site.server.get("/api/health").json()["environment"] == "development"
    features = site.server.get("/api/status").json()["features"]
    assert (features["redis"], features["ssl"], features["broadcasting"]) == (False, False, True)
    assert site.server.get("/socket.io/").status in (200, 400)


def test_strangers_behind_a_proxy_see_no_processes(site):
    stranger = {"X-Forwarded-For": "203.0.113.7"}
    for path in (
        "/api/monitoring/info",
        "/api/monitoring/prometheus",
        "/api/connections/stats",
        "/api/connections/user/2",
    ):
        assert site.server.get(path, headers=stranger).status == 401
        assert site.server.get(path, headers={**stranger, **BEARER}).status == 200
    assert site.server.get("/api/monitoring/metrics", headers=stranger).status == 200


def test_the_former_names_of_metrics_have_true_values(site):
    accepted = metric(site, "websocket_connections_total")
    failed = metric(site, 'auth_attempts_total{result="failure"}')
    assert failed == sum(
        float(value)
        for code, value in re.findall(
            r'^realtime_connection_attempts_total\{code="(\w+)"\} (\S+)$',
            site.server.get("/metrics").text,
            re.MULTILINE,
        )
        if code != "accepted"
    )
    browsers = [site.browser(2, **WEBSOCKET) for _ in range(3)]
    site.refusal(auth={})
    wait_until(lambda: metric(site, "websocket_connections_active") >= 3, "the gauge")
    active = metric(site, "websocket_connections_active")
    assert metric(site, "websocket_connections_total") == accepted + 3
    assert metric(site, 'auth_attempts_total{result="success"}') == accepted + 3
    assert metric(site, 'auth_attempts_total{result="failure"}') == failed + 1
    assert metric(site, "http_request_duration_ms", "/metrics") > 0
    requests = metric(site, "http_requests_total")
    assert metric(site, "http_requests_total") == requests + 1
    for browser in browsers:
        browser.disconnect()
    wait_until(lambda: metric(site, "websocket_connections_active") <= active - 3, "them to be gone")
    assert metric(site, "websocket_connections_peak") >= active


def test_connections_are_counted_and_ended_for_a_key(site):
    browsers = [site.browser(3, **WEBSOCKET) for _ in range(2)]
    wait_until(
        lambda: site.server.get("/api/connections/stats").json()["data"]["totalConnections"] >= 2, "a count"
    )
    found = site.server.get("/api/connections/user/3").json()["data"]["connections"]
    assert {one["socketId"] for one in found} >= {browser.id for browser in browsers}
    asked = {"reason": "Your account was signed out."}
    answer = site.server.post("/api/connections/disconnect/3", asked, headers=BEARER)
    assert (answer.status, answer.json()["connections"]) == (200, len(found))
    for browser in browsers:
        told = browser.wait_for("force_disconnect")[0]
        assert told == {"code": "operator", "reason": "Your account was signed out."}
        assert browser.wait_for("disconnect") == ["io server disconnect"]
    wait_until(
        lambda: not site.server.get("/api/connections/user/3").json()["data"]["connected"], "them to be gone"
    )
