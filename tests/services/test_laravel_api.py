"""LaravelApi is reached over real HTTP and answers what it was told."""

import http.client
import json
import urllib.request
from urllib.error import HTTPError, URLError

import pytest

from .laravel_api import HTML, LaravelApi, says


def test_a_route_answers_json_and_the_request_is_kept(laravel_api: LaravelApi) -> None:
    laravel_api.route("POST", "/broadcasting/auth", says({"auth": "ok"}))
    request = urllib.request.Request(
        f"{laravel_api.url}/broadcasting/auth?v=1", b"channel_name=private-a", {"X-Socket-ID": "1.2"}
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == {"auth": "ok"}
    [asked] = laravel_api.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/broadcasting/auth", {"v": "1"})
    assert asked.form() == {"channel_name": "private-a"}
    assert asked.headers["x-socket-id"] == "1.2"


def test_a_behaviour_decides_by_the_request(laravel_api: LaravelApi) -> None:
    laravel_api.behaviour = lambda connection, asked: says(status=200 if asked.json()["user"] == 7 else 403)(
        connection, asked
    )
    with urllib.request.urlopen(f"{laravel_api.url}/judge", b'{"user": 7}') as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(f"{laravel_api.url}/judge", b'{"user": 8}')
    assert refused.value.code == 403
    refused.value.close()


def test_what_has_no_route_is_404_unless_told_otherwise(laravel_api: LaravelApi) -> None:
    laravel_api.route("GET", "/up", HTML)
    connection = http.client.HTTPConnection(laravel_api.url.removeprefix("http://"), timeout=5)
    for method, path in (("GET", "/nowhere"), ("POST", "/up")):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)) == (404, {"message": "Not Found"})
    connection.close()


def test_a_stopped_laravel_refuses_connections_and_comes_back(laravel_api: LaravelApi) -> None:
    laravel_api.route("GET", "/up", says(b"<h1>up</h1>"))
    kept = http.client.HTTPConnection(laravel_api.url.removeprefix("http://"), timeout=5)
    kept.request("GET", "/up")
    kept.getresponse().read()
    laravel_api.stop()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        kept.request("GET", "/up")
        kept.getresponse()
    kept.close()
    with pytest.raises(URLError):
        urllib.request.urlopen(f"{laravel_api.url}/up", timeout=2)
    laravel_api.start()
    with urllib.request.urlopen(f"{laravel_api.url}/up", timeout=2) as answer:
        assert answer.read() == b"<h1>up</h1>"
