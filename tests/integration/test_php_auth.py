"""Pages of Laravel Echo on whose channels a real ``/broadcasting/auth`` decides: Laravel's own broadcasters
behind PHP's web server, answering as its ``redis`` and its ``pusher`` drivers do."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.pusher.conftest import APP
from tests.services.application import Application
from tests.services.echo_page import EchoPage
from tests.services.processes import ROOT, Daemon, clean_environment, free_port, program

from .conftest import settings, token


class Laravel(Daemon):
    """A site's ``POST /broadcasting/auth``. Its channels: ``order.{id}``, of that user, and ``room.{id}``."""

    name = "laravel"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    def start(self, broadcaster: str) -> None:
        script = ROOT / "tests" / "services" / "laravel.php"
        # Deprecations are of Laravel 8 under PHP 8.2; they must not get into the answers.
        command = [program("php"), "-d", "display_errors=stderr", "-S", f"127.0.0.1:{self.port}", script]
        self.launch(command, clean_environment(BROADCASTER=broadcaster, **APP))
        self.await_ready(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def php() -> Iterator[Laravel]:
    laravel = Laravel()
    yield laravel
    laravel.remove()


@pytest.fixture(scope="module")
def server(serve_module, php, plan_url) -> Application:
    return serve_module(
        settings(
            CHANNEL_AUTH="rules,signature,laravel",
            LARAVEL_AUTH_URL=f"http://127.0.0.1:{php.port}/broadcasting/auth",
            LARAVEL_DATABASE_URL=plan_url,
            **APP,
        )
    )


@pytest.fixture(params=["redis", "pusher"])
def driver(request, php) -> Iterator[str]:
    php.start(request.param)
    yield request.param
    php.kill()


@pytest.fixture
def page(echo_page, driver) -> Callable[..., EchoPage]:
    """Opens a page of the user whose session's cookie it has; ``signed_in``: with a token for us as well."""

    def open_page(user_id: int, *, version: str = "2.5", signed_in: bool = False) -> EchoPage:
        auth = {"headers": {"X-CSRF-TOKEN": "of-the-page"}} | ({"token": token(user_id)} if signed_in else {})
        cookie = {"Cookie": f"laravel_session=user-{user_id}.{driver}"}
        return echo_page(echo=version, auth=auth, extraHeaders=cookie)

    return open_page


@pytest.mark.parametrize("version", ["2.0", "2.5"])
def test_a_page_is_in_the_private_channels_that_laravel_gives_it(site, page, version):
    echo = page(2, version=version)
    echo.listen("private", "order.2", ".shipped")
    assert echo.wait_for("subscribed")[0]["channel"] == "private-order.2"
    assert site.broadcast("private-order.2", "shipped", {"n": 1}).json()["subscriberCount"] == 1
    assert echo.hears("private-order.2", ".shipped") == {"n": 1}
    for name in ("order.3", "unheard-of"):
        echo.listen("private", name, ".shipped")
        channel, status, why = echo.wait_for("subscription_error")
        assert (channel, status, why["code"]) == (f"private-{name}", 403, "auth_denied_403")
        assert site.broadcast(channel, "shipped").json()["subscriberCount"] == 0


def test_a_member_is_whom_laravel_names(page, driver):
    binh, anna = page(2, signed_in=True), page(1, signed_in=True)
    binh.join(f"room.{driver}")
    assert binh.hears(f"presence-room.{driver}", "here") == [{"id": 2, "name": "Binh"}]
    anna.join(f"room.{driver}")
    assert binh.hears(f"presence-room.{driver}", "joining") == {"id": 1, "name": "Anna"}


def test_what_was_missed_comes_after_laravel_was_asked_again(site, page):
    echo = page(3)
    echo.listen("private", "order.3", ".shipped")
    echo.wait_for("subscribed")
    site.broadcast("private-order.3", "shipped", 1)
    echo.hears("private-order.3", ".shipped")
    echo.drop()
    echo.wait_for("disconnect")
    site.broadcast("private-order.3", "shipped", 2)
    echo.wait_for("connect")
    assert echo.hears("private-order.3", ".shipped") == 2


def test_without_php_nobody_is_let_in_and_others_do_not_wait(site, page, php):
    echo = page(4)
    php.kill()
    echo.listen("private", "order.4", ".shipped")
    channel, status, why = echo.wait_for("subscription_error")
    assert (channel, status, why["code"]) == ("private-order.4", 503, "auth_unreachable")
    echo.listen("channel", "public.news", ".news")
    assert echo.wait_for("subscribed")[0]["channel"] == "public.news"
