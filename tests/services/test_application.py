"""`serve` starts a real server in an environment of its own and judges its log."""

from collections.abc import Callable

import pytest

from .application import Application


def test_the_server_answers_at_its_url(echo_server: Application) -> None:
    assert echo_server.get("/health").status == 200


def test_nothing_of_the_developers_environment_reaches_the_server(
    serve_echo: Callable[..., Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "the developer's own")
    names = serve_echo({"REDIS_URL": ""}, APP_ENV="testing").get("/health").json()["settings"]
    assert "JWT_SECRET" not in names
    assert {"REDIS_URL", "APP_ENV", "INSTANCE_PATH"} <= set(names)


def test_a_post_carries_json_and_an_unknown_path_is_404(echo_server: Application) -> None:
    assert echo_server.post("/nowhere", {"a": 1}).status == 404


def test_the_workers_are_listed_by_process_id(serve_echo: Callable[..., Application]) -> None:
    server = serve_echo(WEB_CONCURRENCY="2")
    assert len(server.workers()) == 2
    assert server.pid not in server.workers()


def test_a_stopped_server_starts_again_on_the_same_port(serve_echo: Callable[..., Application]) -> None:
    server = serve_echo()
    assert server.stop() == 0
    server.start()
    assert server.get("/health").status == 200


def test_a_server_that_cannot_start_fails_at_once_and_shows_its_log(
    serve_echo: Callable[..., Application],
) -> None:
    with pytest.raises(AssertionError, match=r"exited with 1(?s:.*)invalid literal"):
        serve_echo({"WEB_CONCURRENCY": "many"}, tracebacks=True)


def test_a_traceback_in_the_log_fails_the_test(serve_echo: Callable[..., Application]) -> None:
    server = serve_echo(tracebacks=True)
    server.expect_no_traceback()
    server.get("/traceback")
    with pytest.raises(AssertionError, match="Traceback"):
        server.expect_no_traceback()
