"""FakeLaravel is reached over real HTTP and answers what it was told."""

import http.client
import json
import urllib.request
from urllib.error import HTTPError, URLError

import pytest

from .laravel import Call, FakeLaravel, Reply


def test_a_route_answers_json_and_the_call_is_kept(fake_laravel: FakeLaravel) -> None:
    fake_laravel.route("POST", "/broadcasting/auth", Reply(200, {"auth": "ok"}))
    request = urllib.request.Request(
        f"{fake_laravel.url}/broadcasting/auth?v=1", b"channel_name=private-a", {"X-Socket-ID": "1.2"}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == {"auth": "ok"}
    [call] = fake_laravel.calls
    assert (call.method, call.path, call.query) == ("POST", "/broadcasting/auth", {"v": ["1"]})
    assert call.form() == {"channel_name": ["private-a"]}
    assert call.headers["x-socket-id"] == "1.2"


def test_a_function_decides_by_the_call(fake_laravel: FakeLaravel) -> None:
    def judge(call: Call) -> Reply:
        return Reply(200 if call.json()["user"] == 7 else 403)

    fake_laravel.route("POST", "/judge", judge)
    with urllib.request.urlopen(f"{fake_laravel.url}/judge", b'{"user": 7}') as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(f"{fake_laravel.url}/judge", b'{"user": 8}')
    assert refused.value.code == 403
    refused.value.close()


def test_an_unknown_route_is_404(fake_laravel: FakeLaravel) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fake_laravel.port, timeout=5)
    connection.request("GET", "/nowhere")
    assert connection.getresponse().status == 404
    connection.close()


def test_a_stopped_laravel_refuses_connections_and_comes_back(fake_laravel: FakeLaravel) -> None:
    fake_laravel.route("GET", "/up", Reply(200, "<h1>up</h1>"))
    fake_laravel.stop()
    with pytest.raises(URLError):
        urllib.request.urlopen(f"{fake_laravel.url}/up", timeout=2)
    fake_laravel.start()
    with urllib.request.urlopen(f"{fake_laravel.url}/up", timeout=2) as answer:
        assert answer.read() == b"<h1>up</h1>"
