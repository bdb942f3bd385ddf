"""mechamap.js as it is shipped: a page stays connected through whatever passes, and gives up when told to."""

from collections.abc import Callable, Iterator

import pytest

from tests.services.application import Application, Serve
from tests.services.mariadb import MariaDBServer

from .conftest import JWT_SECRET, KEY, token
from .page import Page
from .site import Site

OpenPage = Callable[..., Page]


@pytest.fixture
def open_page() -> Iterator[OpenPage]:
    opened: list[Page] = []

    def start(*arguments: object) -> Page:
        opened.append(Page(*arguments))
        return opened[-1]

    yield start
    for page in opened:
        page.close()


def test_a_page_joins_its_channels_and_its_user_s_own(
    server: Application, site: Site, open_page: OpenPage
) -> None:
    page = open_page(server.url, [token(2)], ["public.news"])
    page.wait_for("subscribed", 2)
    assert {answer["channel"] for [answer] in page.events("subscribed")} == {"private-user.2", "public.news"}
    site.broadcast("public.news", "news.published", {"id": 7})
    assert page.wait_for("news.published")[0] == {"id": 7}


def test_a_page_comes_back_with_a_new_token_and_joins_again(serve: Serve, open_page: OpenPage) -> None:
    server = serve(WEBSOCKET_API_KEY=KEY, JWT_SECRET=JWT_SECRET)
    page = open_page(server.url, [token(2)], ["public.news"])
    page.wait_for("subscribed", 2)
    server.stop()
    page.wait_for("disconnect")
    server.start()
    page.wait_for("subscribed", 4)
    assert len(page.events("token")) == 2
    Site(server.url, KEY).broadcast("public.news", "news.published", {"id": 8})
    assert page.wait_for("news.published")[0] == {"id": 8}


def test_a_page_asks_again_when_laravel_gave_no_token(server: Application, open_page: OpenPage) -> None:
    page = open_page(server.url, [None, token(2)])
    page.wait_for("connect")
    assert len(page.events("token")) == 2
    assert page.events("refused") == []


def test_a_page_waits_out_a_refusal_that_will_pass(
    serve: Serve, open_page: OpenPage, mariadb_server: MariaDBServer
) -> None:
    mariadb_server.create_database("site")
    server = serve(
        WEBSOCKET_API_KEY=KEY, JWT_SECRET=JWT_SECRET, LARAVEL_DATABASE_URL=mariadb_server.url("site")
    )
    mariadb_server.stop()
    page = open_page(server.url, [token(2)])
    [data] = page.wait_for("connect_error")
    assert data["retry"] is True
    mariadb_server.start()
    page.wait_for("connect", timeout=20)
    assert page.events("refused") == []


def test_a_page_gives_up_when_it_is_refused_for_good(server: Application, open_page: OpenPage) -> None:
    page = open_page(server.url, ["not-a-token"])
    message, data = page.wait_for("refused")
    assert message.startswith("Authentication failed")
    assert data["code"]
    assert len(page.events("token")) == 1
