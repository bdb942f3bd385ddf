"""The requirement files pin all that the packages they name require, and the lock files name no registry."""

import platform
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .processes import ROOT

SERVER = ("requirements.txt",)
EVERYTHING = (*SERVER, "tests/requirements.txt")

# Debian 12's, and the first of each later series: what is required depends on it.
PYTHONS = ("3.11.2", "3.11.9", "3.12.0", "3.13.0", "3.14.0")


def needed(requirement: Requirement, python: str) -> bool:
    if requirement.marker is None:
        return True
    series = python.rpartition(".")[0]
    return requirement.marker.evaluate({"extra": "", "python_full_version": python, "python_version": series})


def pins(files: tuple[str, ...], python: str) -> dict[str, str]:
    """Name to version, of what these files install on that Python."""
    found = {}
    for file in files:
        for line in (ROOT / file).read_text().splitlines():
            if text := line.partition("#")[0].strip():
                pin = Requirement(text)
                [exact] = pin.specifier
                assert exact.operator == "==", f"{file}: {text} is no exact version"
                if needed(pin, python):
                    found[canonicalize_name(pin.name)] = exact.version
    return found


def test_each_pin_is_the_version_installed() -> None:
    wanted = pins(EVERYTHING, platform.python_version())
    assert {name: distribution(name).version for name in wanted} == wanted


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("files", [SERVER, EVERYTHING], ids=["server", "everything"])
def test_each_requirement_of_a_pinned_package_is_met_by_a_pin(files: tuple[str, ...], python: str) -> None:
    pinned = pins(files, python)
    for name in pinned.keys() & pins(files, platform.python_version()).keys():
        for requirement in map(Requirement, distribution(name).requires or []):
            if needed(requirement, python):
                version = pinned.get(canonicalize_name(requirement.name), "nothing")
                assert version in requirement.specifier, f"{name} needs {requirement}, pinned is {version}"


@pytest.mark.parametrize("lock", ["static/package-lock.json", "tests/clients/package-lock.json"])
def test_a_lock_file_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "integrity" in text
    assert "resolved" not in text
    assert "://" not in text
