"""docs/laravel/README.md: the lines it tells people to type do what it says."""

import re
import shlex
from collections.abc import Callable

import pytest

from tests.services.application import Application
from tests.services.browser_client import BrowserClient

from .conftest import KEY
from .site import SHIPPED, Site

README = (SHIPPED / "README.md").read_text()


def block(language: str) -> str:
    """The first example in that language."""
    return re.search(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture
def browser(browser_of: Callable[[int], BrowserClient]) -> BrowserClient:
    return browser_of(2)


def test_the_curl_line_reaches_user_2(server: Application, browser: BrowserClient) -> None:
    line = block("sh").replace("$NODEJS_BROADCAST_URL", server.url).replace("$WEBSOCKET_API_KEY", KEY)
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    path = words[4].removeprefix(server.url)
    options = list(zip(words[5::2], words[6::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    [body] = [value for option, value in options if option == "-d"]
    answer = server.request("POST", path, body, headers=headers)
    assert answer.status == 200
    assert answer.json()["subscriberCount"] == 1
    assert browser.wait_for("notification.sent")[0] == {"title": "Hello"}


def test_the_tinker_line_reaches_user_2(site: Site, browser: BrowserClient) -> None:
    [line] = [line for line in block("php").splitlines() if not line.startswith("//")]
    assert site.tinker(line).returned is True
    assert browser.wait_for("notification.sent")[0] == {"title": "Hello"}


def test_the_settings_are_those_the_configuration_reads() -> None:
    read = set(re.findall(r"env\('(\w+)'", (SHIPPED / "broadcasting.php").read_text()))
    named = set(re.findall(r"^(\w+)=", block("ini"), re.MULTILINE))
    # JWT_SECRET is read by the site's own token route.
    assert named == read | {"JWT_SECRET"}


def test_every_shipped_file_has_its_place_in_the_table() -> None:
    placed = set(re.findall(r"^\| `([\w.]+)` \|", README, re.MULTILINE))
    assert placed == {file.name for file in SHIPPED.iterdir() if file.suffix != ".md"}
