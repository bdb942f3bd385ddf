"""deploy/Dockerfile takes what is there, leaves out what is private, and runs as nobody in particular."""

import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.services.application import Serve
from tests.services.processes import ROOT, clean_environment, free_port

from .dockerfile import Instruction, read_dockerfile

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
INSTRUCTIONS = read_dockerfile(DOCKERFILE)
IMAGE = [one for one in INSTRUCTIONS if one.stage == INSTRUCTIONS[-1].stage]


def the(word: str) -> Instruction:
    """The last instruction of that name in the image itself, the one that holds."""
    return [one for one in IMAGE if one.word == word][-1]


def sources() -> list[str]:
    """What is copied from the project, without a trailing slash."""
    copies = [one.arguments for one in INSTRUCTIONS if one.word == "COPY" and "--from" not in one.text]
    return [source.rstrip("/") for arguments in copies for source in arguments[:-1]]


def left_out(path: str) -> bool:
    """Docker's own rule: the last pattern that matches the path, or a folder above it, decides."""
    out = False
    folders = [path, *map(str, Path(path).parents)]
    for line in DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#"):
            patterns = (pattern, pattern.removeprefix("**/"))
            if any(fnmatch(folder, each) for folder in folders for each in patterns):
                out = not line.startswith("!")
    return out


@pytest.mark.parametrize("source", sources())
def test_what_the_image_copies_is_in_the_project_and_not_left_out(source: str) -> None:
    assert (ROOT / source).exists()
    assert not left_out(source)


@pytest.mark.parametrize(
    "private",
    [".env", ".git/config", ".venv/bin/python", "instance/dev-secrets.env", "tests/conftest.py",
     "deploy/tls/privkey.pem", "static/vendor/socket.io.min.js", "mechamap/__pycache__/settings.pyc"],
)  # fmt: skip
def test_what_is_private_or_made_here_stays_out_of_the_image(private: str) -> None:
    assert left_out(private)


def test_all_that_the_application_imports_or_reads_at_the_top_is_copied() -> None:
    needed = {
        "mechamap",
        "migrations",
        "templates",
        "static",
        "wsgi.py",
        "gunicorn.conf.py",
        "requirements.txt",
    }
    assert needed <= set(sources())


def test_the_image_runs_as_an_ordinary_user() -> None:
    assert the("USER").text == "mechamap"
    user_added = next(one.text for one in IMAGE if one.word == "RUN" and "useradd" in one.text)
    assert int(re.search(r"--uid (\d+)", user_added)[1]) >= 1000


def test_the_browser_files_are_those_that_set_up_fetches() -> None:
    fetched = r"node_modules/(\S+?/dist/[\w.]+)"
    shell = "".join((ROOT / "deploy" / name).read_text() for name in ("setup.sh",))
    assert set(re.findall(fetched, DOCKERFILE.read_text())) == set(re.findall(fetched, shell))


def test_the_image_s_python_is_one_the_project_supports() -> None:
    assert re.fullmatch(r"python:3\.1[1-9]-slim", the("FROM").text)


def check_health(port: int) -> int:
    command = the("HEALTHCHECK").arguments
    environment = clean_environment(PORT=str(port)) | {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, *command[1:]], env=environment, capture_output=True, timeout=10
    ).returncode


def test_the_health_check_passes_while_the_server_answers(serve: Serve) -> None:
    assert the("HEALTHCHECK").arguments[0] == "python"
    assert check_health(serve().port) == 0


def test_the_health_check_fails_while_nothing_answers() -> None:
    assert check_health(free_port()) != 0
