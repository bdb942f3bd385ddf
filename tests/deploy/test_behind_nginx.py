"""The real server behind the real nginx, reached by the stock client: both transports, and who is who."""

import json
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from signal import SIGTERM
from typing import Any

import jwt
import pytest

from mechamap.api.operator import STAMP_HEADER, stamp
from tests.services.application import Answer, Application, Serve
from tests.services.browser_client import BrowserClient
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

from .nginx import Nginx

StartNginx = Callable[..., Nginx]
NodeClient = Callable[[], BrowserClient]
KEY, SECRET = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
SETTINGS = {
    "SECRET_KEY": SECRET,
    "JWT_SECRET": SECRET,
    "WEBSOCKET_API_KEY": KEY,
    "TRUSTED_PROXIES": "127.0.0.1",
}
FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
TRANSPORTS = {
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"], "upgrade": False},
    "upgraded": {"transports": ["polling", "websocket"]},
}


def token(user_id: int) -> str:
    return jwt.encode({"userId": user_id, "exp": int(time.time()) + 600}, SECRET, algorithm="HS256")


def connect(client: BrowserClient, url: str, user_id: int = 2, **options: Any) -> BrowserClient:
    # The certificate is the test's own.
    return client.connect(url, auth={"token": token(user_id)}, rejectUnauthorized=False, **options)


def publish(through: Application | Nginx, user_id: int, data: dict[str, Any]) -> None:
    body = {"channel": f"private-user.{user_id}", "event": "news", "data": data}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    answer = through.request("POST", "/api/broadcast", json.dumps(body).encode(), headers=headers)
    assert answer.status == 200, answer.text


def sign_in_by_hand(send: Callable[..., Answer]) -> None:
    """What a browser does first with long polling; `send` makes one request."""
    path = "/socket.io/?EIO=4&transport=polling"
    opened = send("GET", path)
    assert opened.status == 200, opened.text
    session = f"{path}&sid={json.loads(opened.text[1:])['sid']}"
    assert send("POST", session, b"40" + json.dumps({"token": token(2)}).encode()).status == 200
    assert send("GET", session).text.startswith("40")


def addresses(server: Application) -> list[str]:
    """Where the server believes its browsers to be."""
    answer = server.get("/api/operator/clients", headers={STAMP_HEADER: stamp(SECRET)})
    assert answer.status == 200, answer.text
    return [client["address"] for client in answer.json()]


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> Application:
    return serve_module(SETTINGS)


@pytest.mark.parametrize("way", TRANSPORTS)
def test_a_browser_connects_through_nginx_and_receives(
    server: Application, start_nginx: StartNginx, node_client: NodeClient, way: str
) -> None:
    nginx = start_nginx(server.port)
    browser = connect(node_client(), nginx.url, **TRANSPORTS[way])
    publish(nginx, 2, {"id": 7})
    assert browser.wait_for("news")[0] == {"id": 7}
    if way == "upgraded":
        wait_until(lambda: browser.transport() == "websocket", "the upgrade")
    assert browser.transport() == ("polling" if way == "polling" else "websocket")


def test_the_server_sees_the_browser_s_address_behind_a_trusted_nginx(
    server: Application, start_nginx: StartNginx
) -> None:
    sign_in_by_hand(partial(start_nginx(server.port).request, headers=FORGED, source="127.0.0.6"))
    wait_until(lambda: "127.0.0.6" in addresses(server), "the browser's own address")
    assert "203.0.113.9" not in addresses(server)


def test_the_server_does_not_believe_an_nginx_it_does_not_trust(
    serve: Serve, start_nginx: StartNginx
) -> None:
    server = serve(SETTINGS, TRUSTED_PROXIES="127.0.0.77")
    nginx = start_nginx(server.port)
    sign_in_by_hand(partial(nginx.request, headers=FORGED, source="127.0.0.5"))
    wait_until(lambda: addresses(server) == ["127.0.0.1"], "the address of nginx")
    assert driven_through(nginx) == (401, "driver_untrusted")


def driven_through(nginx: Nginx) -> tuple[int, str]:
    """What the application's driver, which has no key, is told through nginx on the same machine."""
    body = {"channels": [{"name": "private-user.2"}], "event": "news", "data": {}}
    answer = nginx.request("POST", "/api/laravel-broadcast", json.dumps(body).encode())
    return answer.status, json.loads(answer.body)["code"]


def test_a_driver_without_a_key_does_not_come_through_nginx(
    server: Application, start_nginx: StartNginx
) -> None:
    """Or the whole Internet would look like this machine."""
    assert driven_through(start_nginx(server.port)) == (401, "driver_untrusted")


def test_monitors_see_through_nginx_whether_the_server_is_well_and_nothing_more(
    server: Application, start_nginx: StartNginx
) -> None:
    nginx = start_nginx(server.port)
    assert nginx.request("GET", "/api/health").status == 200
    assert nginx.request("GET", "/api/monitoring/metrics").status == 200
    for path in ("monitoring/prometheus", "monitoring/info", "connections/stats", "connections/user/2"):
        assert nginx.request("GET", f"/api/{path}").status == 401, path


def test_a_stranger_beside_nginx_cannot_choose_an_address(server: Application) -> None:
    def send(method: str, path: str, body: bytes | None = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10, source_address=("127.0.0.7", 0))
        with closing(connection):
            connection.request(method, path, body, {**FORGED, "Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, {}, response.read())

    sign_in_by_hand(send)
    wait_until(lambda: "127.0.0.7" in addresses(server), "the stranger's own address")
    assert "203.0.113.9" not in addresses(server)


@pytest.mark.parametrize("way", TRANSPORTS)
def test_an_event_reaches_the_browsers_of_both_applications(
    serve: Serve, start_nginx: StartNginx, node_client: NodeClient, redis_server: RedisServer, way: str
) -> None:
    first, second = (serve(SETTINGS, REDIS_URL=redis_server.url) for _ in range(2))
    nginx = start_nginx(first.port, second.port)
    through = connect(node_client(), nginx.url, **TRANSPORTS[way])
    beside = [connect(node_client(), application.url) for application in (first, second)]
    publish(nginx, 2, {"id": 7})
    assert [browser.wait_for("news")[0] for browser in (through, *beside)] == [{"id": 7}] * 3


@pytest.mark.parametrize("way", ["websocket", "polling"])
def test_a_browser_moves_to_the_other_application_when_its_own_stops(
    serve: Serve, start_nginx: StartNginx, node_client: NodeClient, redis_server: RedisServer, way: str
) -> None:
    both = [serve(SETTINGS, REDIS_URL=redis_server.url) for _ in range(2)]
    nginx = start_nginx(*(application.port for application in both))
    browser = connect(
        node_client(), nginx.url, reconnection=True, reconnectionDelay=50, reconnectionDelayMax=200,
        **TRANSPORTS[way],
    )  # fmt: skip
    [own] = [application for application in both if " connected" in application.log()]
    browser.forget()
    own.stop(SIGTERM)
    browser.wait_for("connect", timeout=15)
    publish(nginx, 2, {"id": 8})
    assert browser.wait_for("news")[0] == {"id": 8}
