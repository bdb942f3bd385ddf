"""deploy/nginx.conf: what nginx lets through, what it tells the application, what it writes down."""

from collections.abc import Callable

import pytest

from tests.services.processes import free_port, wait_until

from .nginx import Nginx
from .upstream import Upstream

StartNginx = Callable[..., Nginx]
StartUpstream = Callable[[], Upstream]


@pytest.fixture
def upstream(start_upstream: StartUpstream) -> Upstream:
    return start_upstream()


@pytest.fixture
def nginx(start_nginx: StartNginx, upstream: Upstream) -> Nginx:
    return start_nginx(upstream.port)


def test_nginx_accepts_the_configuration_without_a_warning() -> None:
    nginx = Nginx([free_port(), free_port()])
    nginx.prepare()
    verdict = nginx.judge()
    nginx.remove()
    assert "test is successful" in verdict
    # Where the machine's hard limit is low nginx mentions it; that is not the file's fault.
    assert [
        line for line in verdict.splitlines() if "[warn]" in line and "worker_connections" not in line
    ] == []


def test_a_websocket_upgrade_is_passed_on(nginx: Nginx, upstream: Upstream) -> None:
    nginx.request("GET", "/socket.io/", headers={"Connection": "Upgrade", "Upgrade": "WebSocket"})
    assert upstream.only.headers["upgrade"] == "websocket"
    assert upstream.only.headers["connection"] == "upgrade"


def test_no_other_upgrade_is_passed_on(nginx: Nginx, upstream: Upstream) -> None:
    nginx.request("GET", "/", headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"})
    assert "upgrade" not in upstream.only.headers
    assert upstream.only.headers["connection"] == "close"


def test_a_stranger_s_forwarded_headers_end_at_nginx(nginx: Nginx, upstream: Upstream) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "ftp",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9;host=evil.example",
    }
    nginx.request("GET", "/health", headers={"Host": "realtime.mechamap.com", **forged}, source="127.0.0.5")
    headers = upstream.only.headers
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.5"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["host"] == headers["x-forwarded-host"] == "realtime.mechamap.com"
    assert headers["x-forwarded-port"] == str(nginx.https_port)
    assert "forwarded" not in headers


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/live.json", "/metrics"])
def test_the_operators_pages_are_for_this_machine_only(nginx: Nginx, upstream: Upstream, path: str) -> None:
    assert nginx.request("GET", path, source="127.0.0.5").status == 403
    assert upstream.received == []
    assert nginx.request("GET", path, source="127.0.0.1").status == 200
    assert upstream.only.path == path


@pytest.mark.parametrize(
    "path", ["//admin/", "/./admin/", "/x/../admin/", "/%61dmin/", "/socket.io/../metrics"]
)
def test_the_operators_pages_have_no_back_door(nginx: Nginx, upstream: Upstream, path: str) -> None:
    assert nginx.request("GET", path, source="127.0.0.5").status == 403
    assert upstream.received == []


def test_plain_http_is_sent_to_the_same_path_over_tls(nginx: Nginx) -> None:
    answer = nginx.request("POST", "/api/broadcast?a=b", headers={"Host": "evil.example"}, tls=False)
    assert answer.status == 308
    assert answer.headers["location"] == "https://realtime.mechamap.com/api/broadcast?a=b"


def test_a_body_too_big_for_the_application_still_reaches_it_and_its_refusal(
    nginx: Nginx, upstream: Upstream
) -> None:
    nginx.request("POST", "/api/broadcast", b"x" * 1_500_000)
    assert upstream.only.path == "/api/broadcast"


def test_a_body_of_several_megabytes_ends_at_nginx(nginx: Nginx, upstream: Upstream) -> None:
    assert nginx.request("POST", "/api/broadcast", b"x" * 2_200_000).status == 413
    assert upstream.received == []


@pytest.mark.parametrize("path", ["/api/operator", "/api/operator/kick", "//api/x/../operator/clients"])
def test_the_door_of_the_command_line_is_shut(nginx: Nginx, upstream: Upstream, path: str) -> None:
    assert nginx.request("POST", path, b"{}").status == 403
    assert upstream.received == []


@pytest.mark.parametrize("path", ["/socket.io/", "/health", "/admin"])
def test_no_log_line_holds_a_query(nginx: Nginx, path: str) -> None:
    nginx.request("GET", f"{path}?token=top-secret&sid=bearer")
    wait_until(lambda: f'"GET {path}" 200' in nginx.written(), "the access to be logged")
    assert "top-secret" not in nginx.written()
    assert "bearer" not in nginx.written()


def test_no_log_line_holds_a_token_when_the_application_is_away(start_nginx: StartNginx) -> None:
    nginx = start_nginx(free_port())
    assert nginx.request("GET", "/socket.io/?token=top-secret").status == 502
    wait_until(lambda: '"GET /socket.io/" 502' in nginx.written(), "the access to be logged")
    assert "top-secret" not in nginx.written()


def test_one_address_keeps_to_one_application(start_nginx: StartNginx, start_upstream: StartUpstream) -> None:
    first, second = start_upstream(), start_upstream()
    nginx = start_nginx(first.port, second.port)
    for _ in range(6):
        nginx.request("GET", "/socket.io/", source="127.0.0.5")
    assert sorted([len(first.received), len(second.received)]) == [0, 6]


def test_many_addresses_spread_over_the_applications(
    start_nginx: StartNginx, start_upstream: StartUpstream
) -> None:
    first, second = start_upstream(), start_upstream()
    nginx = start_nginx(first.port, second.port)
    for number in range(1, 41):
        nginx.request("GET", "/socket.io/", source=f"127.0.{number}.5")
    # With forty addresses a fair hash leaves one side below five once in ten million.
    assert min(len(first.received), len(second.received)) >= 5


def test_an_address_whose_application_is_away_is_served_by_the_other(
    start_nginx: StartNginx, start_upstream: StartUpstream
) -> None:
    alive = start_upstream()
    nginx = start_nginx(free_port(), alive.port)
    for number in range(1, 11):
        assert nginx.request("GET", "/socket.io/", source=f"127.0.{number}.5").status == 200
    assert len(alive.received) == 10
