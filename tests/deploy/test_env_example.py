""".env.example names what the settings read, no more and no less, and copied as it is changes nothing."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import yaml
from dotenv import dotenv_values

from mechamap.settings import load
from tests.services.processes import ROOT

EXAMPLE = ROOT / ".env.example"
SECRET = "x" * 48


class Watched(Mapping[str, str]):
    """An environment that remembers which names were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def names_read_by_settings(instance: Path) -> set[str]:
    # In production nothing is generated, so every name is asked for where it stands.
    environment = Watched(
        {"APP_ENV": "production", "INSTANCE_PATH": str(instance)}
        | dict.fromkeys(("SECRET_KEY", "JWT_SECRET", "WEBSOCKET_API_KEY"), SECRET)
    )
    load(environment)
    # NAME_FILE is another way to give NAME.
    return {
        name for name in environment.asked if name.removesuffix("_FILE") not in environment.asked - {name}
    }


def names_read_by_compose() -> set[str]:
    return set(re.findall(r"\$\{(\w+)", (ROOT / "deploy" / "docker-compose.yml").read_text()))


def test_every_name_the_settings_read_is_in_the_example(tmp_path: Path) -> None:
    assert names_read_by_settings(tmp_path) - dotenv_values(EXAMPLE).keys() == set()


def test_every_name_in_the_example_is_read(tmp_path: Path) -> None:
    read = names_read_by_settings(tmp_path) | names_read_by_compose()
    assert dotenv_values(EXAMPLE).keys() - read == set()


def test_no_name_stands_in_the_example_twice() -> None:
    names = re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_every_name_has_a_comment_above() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for above, line in pairwise(lines):
        if (name := line.partition("=")[0]).isupper():
            assert above.startswith("# "), name
            assert not above.startswith("# ---"), name


def test_the_example_copied_as_it_is_equals_the_defaults(tmp_path: Path) -> None:
    copied = {name: value or "" for name, value in dotenv_values(EXAMPLE).items()}
    assert load(copied | {"INSTANCE_PATH": str(tmp_path)}) == load({"INSTANCE_PATH": str(tmp_path)})


def test_no_secret_has_a_value_in_the_example() -> None:
    values = dotenv_values(EXAMPLE)
    secrets = {name for name in values if re.search(r"SECRET|KEY$|PASSWORD|_URL$", name)}
    assert secrets >= {"SECRET_KEY", "JWT_SECRET", "WEBSOCKET_API_KEY", "DATABASE_URL", "MARIADB_PASSWORD"}
    assert {name: values[name] for name in secrets if values[name]} == {}


def test_compose_sets_only_names_that_the_settings_read(tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text())
    assert compose["services"]["app-1"]["environment"].keys() - names_read_by_settings(tmp_path) == set()
