"""One server for a module's tests, and pages of a signed-in operator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.services.application import Serve
from tests.services.laravel_api import LaravelApi, says

from .place import Place, Seeded, seed


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    return seed(tmp_path_factory.mktemp("seeded"))


@pytest.fixture(scope="module")
def laravel() -> Iterator[LaravelApi]:
    """A Laravel that lets everybody into the channels it is asked about."""
    laravel = LaravelApi(says(True))
    laravel.start()
    yield laravel
    laravel.stop()


@pytest.fixture(scope="module")
def place(serve_module: Serve, seeded: Seeded) -> Place:
    return seeded.place(serve_module, RATE_LIMITS="off")


@pytest.fixture
def console(place: Place, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a page of the console as its administrator; options are those of ``open_page``."""

    def open_console(path: str = "/admin/", **options: Any) -> Page:
        page = open_page(**options)
        place.sign_in(page)
        page.goto(place.url + path)
        return page

    return open_console


@pytest.fixture
def demo(place: Place, open_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """Opens the demo page of a user, connected; ``beside`` another page means in that browser."""
    opened: list[Page] = []

    def open_demo(user_id: int, beside: Page | None = None, **options: Any) -> Page:
        page = beside.context.new_page() if beside else open_page(**options)
        page.goto(f"{place.url}/demo/{user_id}")
        page.wait_for_selector("#state[data-state=on]")
        opened.append(page)
        return page

    yield open_demo
    for page in opened:
        page.close()
