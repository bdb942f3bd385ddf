"""The requirement files pin all that the packages they name require, and the lock files name no registry."""

from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .processes import ROOT


def pins(*files: str) -> dict[str, str]:
    found = {}
    for file in files:
        for line in (ROOT / file).read_text().splitlines():
            if line := line.partition("#")[0].strip():
                name, version = line.split("==")
                found[canonicalize_name(name)] = version
    return found


def test_each_pin_is_the_version_installed() -> None:
    wanted = pins("requirements.txt", "tests/requirements.txt")
    assert {name: distribution(name).version for name in wanted} == wanted


@pytest.mark.parametrize("files", [("requirements.txt",), ("requirements.txt", "tests/requirements.txt")])
def test_each_requirement_of_a_pinned_package_is_met_by_a_pin(files: tuple[str, ...]) -> None:
    pinned = pins(*files)
    for name in pinned:
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                version = pinned.get(canonicalize_name(requirement.name), "nothing")
                assert version in requirement.specifier, f"{name} needs {requirement}, pinned is {version}"


@pytest.mark.parametrize("lock", ["static/package-lock.json", "tests/clients/package-lock.json"])
def test_a_lock_file_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "integrity" in text
    assert "resolved" not in text
    assert "://" not in text
