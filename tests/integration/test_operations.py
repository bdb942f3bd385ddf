"""What operators rely on: start and stop, TLS, proxies, health, metrics, quiet logs, freed descriptors."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.services.processes import wait_until

from .conftest import KEY, Site, settings, token

WEBSOCKET = {"transports": ["websocket"]}


def test_a_wrong_setting_stops_the_start_with_one_sentence(serve):
    server = serve(settings(WS_PING_INTERVAL="soon"), wait=False, tracebacks=True)
    wait_until(lambda: not server.running, "the server to refuse")
    lines = [line for line in server.log().splitlines() if line.strip()]
    assert lines == ["mechamap: WS_PING_INTERVAL: is 'soon'; use a whole number from 100 to 300000."]


def test_more_workers_without_redis_are_refused(serve):
    server = serve(settings(WEB_CONCURRENCY="2"), wait=False)
    wait_until(lambda: not server.running, "the server to refuse")
    assert "WEB_CONCURRENCY" in server.log()
    assert "REDIS_URL" in server.log()


def test_stopping_says_goodbye_runs_handlers_and_is_quick(serve, node_client):
    server = serve(settings())
    site = Site(server, node_client)
    browsers = [site.browser(2, **WEBSOCKET), site.browser(2, transports=["polling"])]
    started = time.monotonic()
    os.kill(server.pid, signal.SIGTERM)
    for browser in browsers:
        assert browser.wait_for("disconnect")[0] in ("transport close", "transport error")
    wait_until(lambda: not server.running, "the server to end")
    assert time.monotonic() - started < 10
    assert server.log().count("disconnected ") == 2
    assert server.process.returncode == 0


def test_tls_with_the_certificates_of_the_settings(serve, node_client, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    server = serve(settings(SSL_CERT_PATH=str(cert), SSL_KEY_PATH=str(key)))
    site = Site(server, node_client)
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        browser = site.browser(2, transports=transports, rejectUnauthorized=False)
        assert site.broadcast("private-user.2", "hello", 1).status == 200
        assert browser.wait_for("hello")[0] == 1
        browser.disconnect()
    assert "strict-transport-security" in server.get("/health").headers


@pytest.mark.parametrize(("trusted", "shown"), [("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")])
def test_only_a_trusted_proxy_names_the_client(serve, trusted, shown):
    server = serve(settings(TRUSTED_PROXIES=trusted))
    server.get("/no-such-page", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
    assert f"address={shown}" in server.log()


def test_metrics_tell_what_happened(site):
    site.refusal(auth={})
    browser = site.browser()
    browser.emit_ack("subscribe", {"channel": "private-user.3"})
    browser.emit("no_such_event")
    site.broadcast("private-user.2")
    site.broadcast("nonsense")
    wait_until(lambda: "realtime_connections " in site.server.get("/metrics").text, "the gauges to be set")
    text = site.server.get("/metrics").text
    for line in (
        'realtime_connection_attempts_total{code="token_missing"}',
        'realtime_subscription_decisions_total{code="not_owner",kind="user"}',
        'realtime_publications_total{code="accepted"}',
        'realtime_publications_total{code="channel_unknown"}',
        'realtime_received_events_total{event="unknown"}',
        "realtime_delivery_lag_seconds_bucket",
        "realtime_broker_up",
    ):
        assert line in text, line


def test_no_secret_reaches_the_log(site):
    secret = token(2)
    sanctum = "12|" + "s3cr3tS3CR3T" * 4
    site.client().connect_error(site.server.url, auth={"token": sanctum})
    site.client().connect_error(site.server.url, query={"token": sanctum}, transports=["websocket"])
    site.client().connect(site.server.url, query={"token": secret}, transports=["polling"])
    site.server.post("/api/broadcast", {}, headers={"X-API-Key": "guess-guess-guess"})
    log = site.server.log()
    for word in (secret, "s3cr3t", "guess-guess-guess", KEY, "EIO=4"):
        assert word not in log


def test_a_thousand_sockets_come_and_go_without_leaving_descriptors(serve, node_client):
    server = serve(settings(MAX_CONNECTIONS="2000"))
    site = Site(server, node_client)
    keeper = site.browser(2, **WEBSOCKET)
    [worker] = server.workers()

    def descriptors() -> int:
        return len(list(Path(f"/proc/{worker}/fd").iterdir()))

    before = descriptors()
    request = (
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    sockets = []
    for _ in range(1000):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(request)
        sockets.append(connection)
    for connection in sockets:
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
    assert descriptors() >= before + 1000
    for connection in sockets:
        connection.close()
    wait_until(lambda: descriptors() <= before + 2, "the descriptors to be freed", timeout=15)
    assert keeper.emit_ack("ping")
    assert site.broadcast("private-user.2", "hello").status == 200


def test_a_full_server_says_so_and_stays_healthy(serve, node_client):
    server = serve(settings(MAX_CONNECTIONS="3"))
    site = Site(server, node_client)
    browsers = [site.browser(2, **WEBSOCKET) for _ in range(3)]
    refusal = site.refusal(auth={"token": token(2)}, **WEBSOCKET)
    assert (refusal["data"]["code"], refusal["data"]["retry"]) == ("server_full", True)
    assert server.get("/health").status == 200
    browsers[0].disconnect()
    wait_until(
        lambda: site.broadcast("private-user.2").json()["subscriberCount"] == 2, "the place to be free"
    )
    assert site.browser(2, **WEBSOCKET).connected()
