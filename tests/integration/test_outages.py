"""What users suffer when Redis or a database goes away, and that it heals by itself."""

import time

import pytest

from tests.services.processes import wait_until

from .conftest import Site, plan_database, settings, token

WEBSOCKET = {"transports": ["websocket"]}


def ready(site: Site):
    answer = site.server.get("/health/ready")
    return answer.status, answer.json()


@pytest.fixture
def on_redis(serve, node_client, redis_server, tmp_path) -> Site:
    database = plan_database(tmp_path / "laravel.sqlite")
    return Site(serve(settings(REDIS_URL=redis_server.url, LARAVEL_DATABASE_URL=database)), node_client)


def test_while_redis_is_away_publishing_answers_503_and_nothing_is_pretended(on_redis, redis_server):
    site = on_redis
    browser = site.browser(2, **WEBSOCKET)
    wait_until(lambda: ready(site)[0] == 200, "readiness")
    redis_server.stop()
    started = time.monotonic()
    answer = site.broadcast("private-user.2", "lost")
    assert time.monotonic() - started < 3
    assert (answer.status, answer.json()["code"]) == (503, "broker_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    wait_until(lambda: ready(site)[0] == 503, "readiness to turn red")
    assert any(reason.startswith("broker") for reason in ready(site)[1]["reasons"])
    assert site.server.get("/health").status == 200
    monitored = site.server.get("/api/health")
    assert (monitored.status, monitored.json()["status"]) == (503, "unhealthy")
    assert site.server.get("/api/status").json()["features"]["redis"] is False
    assert browser.connected()
    refused = browser.emit_ack("subscribe", {"channel": "public.x"})
    assert (refused["error"], refused["code"]) == ("Service unavailable", "broker_unavailable")

    redis_server.start()
    wait_until(lambda: ready(site)[0] == 200, "readiness to turn green by itself")
    wait_until(
        lambda: site.broadcast("private-user.2", "found").json().get("subscriberCount") == 1,
        "the live connection to be counted again",
    )
    browser.wait_for("found")
    assert browser.events("lost") == []
    assert browser.emit_ack("subscribe", {"channel": "public.x"})["status"] == "success"


def test_a_redis_that_hangs_does_not_hang_publishers_or_health(on_redis, redis_server):
    site = on_redis
    browser = site.browser(2, **WEBSOCKET)
    redis_server.pause()
    try:
        for path in ("/health", "/health/ready", "/metrics", "/api/health", "/api/monitoring/metrics"):
            started = time.monotonic()
            answer = site.server.get(path)
            assert time.monotonic() - started < 2, path
        assert (answer.status, answer.json()["code"]) == (503, "broker_unavailable")
        assert site.broadcast("private-user.2").status == 503
        assert browser.emit_ack("ping")
    finally:
        redis_server.resume()
    wait_until(lambda: site.broadcast("private-user.2", "back").status == 200, "publishing to come back")
    browser.wait_for("back")


def test_a_dead_laravel_database_refuses_sign_ins_clearly_and_keeps_everything_else(
    serve, node_client, mariadb_server
):
    url = mariadb_server.create_database("outage")
    for statement in (
        "CREATE TABLE users (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(191), role VARCHAR(50))",
        "INSERT INTO users VALUES (2, 'Binh', 'member')",
        "CREATE TABLE forums (id BIGINT UNSIGNED PRIMARY KEY, required_role VARCHAR(50))",
        "INSERT INTO forums VALUES (1, NULL)",
    ):
        mariadb_server.execute(statement, database="outage")
    server = serve(settings(LARAVEL_DATABASE_URL=url, DIRECTORY_CACHE_SECONDS="0", RECHECK_SECONDS="0.5"))
    site = Site(server, node_client)
    browser = site.browser(2, **WEBSOCKET)
    assert browser.emit_ack("subscribe", {"channel": "forum.1"})["status"] == "success"

    mariadb_server.stop()
    refusal = site.refusal(auth={"token": token(2)}, **WEBSOCKET)
    assert refusal["data"]["code"] == "directory_unavailable"
    assert refusal["data"]["retry"] is True
    wait_until(lambda: ready(site)[1]["status"] == "degraded", "readiness to say so")
    assert ready(site)[0] == 200
    assert server.get("/health/ready?strict=1").status == 503
    assert browser.emit_ack("subscribe", {"channel": "public.x"})["status"] == "success"
    assert browser.emit_ack("subscribe", {"channel": "forum.2"})["code"] == "directory_unavailable"
    assert browser.emit_ack("notification_read", {"notificationId": 1})["code"] == "directory_unavailable"
    time.sleep(1.2)  # re-checks happen meanwhile and must not throw anybody out
    assert site.broadcast("public.x", "still", 1).json()["subscriberCount"] == 1
    assert site.broadcast("forum.1", "there", 1).json()["subscriberCount"] == 1
    browser.wait_for("still")
    browser.wait_for("there")
    started = time.monotonic()
    for _ in range(5):
        site.refusal(auth={"token": token(2)}, **WEBSOCKET)
    assert time.monotonic() - started < 5, "a dead database must not make every refusal wait"

    mariadb_server.start()
    wait_until(lambda: ready(site)[1]["status"] == "ready", "recovery by itself", timeout=15)
    assert site.browser(2, **WEBSOCKET).connected()
