"""`make` says what is wrong with a machine in one sentence, before anything else happens."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import ROOT, clean_environment, free_port, program

PREFLIGHT = ROOT / "deploy" / "setup" / "preflight.py"


def preflight(instance: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = clean_environment(INSTANCE_PATH=str(instance), **settings)
    return subprocess.run([sys.executable, PREFLIGHT], env=environment, capture_output=True, text=True)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A PATH with a shell, Debian's package tool and little more; whoever runs there is not root."""
    for name in ("bash", "env", "dirname", "xargs", "grep", "echo"):
        (tmp_path / name).symlink_to(program(name))
    for name, script in {"id": "echo 1000", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!{program('bash')}\n{script}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_a_busy_port_is_named_before_the_server_starts(tmp_path: Path, taken_port: int) -> None:
    checked = preflight(tmp_path, PORT=str(taken_port))
    assert checked.returncode == 1
    assert checked.stderr.startswith(f"make: PORT: {taken_port} on 127.0.0.1 is already in use; ")
    assert checked.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    checked = preflight(tmp_path, PORT="many")
    assert checked.returncode == 1
    assert checked.stderr.startswith("make: PORT: ")
    assert checked.stderr.count("\n") == 1


def test_demo_data_is_due_only_where_no_database_is_named(tmp_path: Path) -> None:
    unused_port = str(free_port())
    assert preflight(tmp_path, PORT=unused_port).stdout == "demo\n"
    named = preflight(tmp_path, PORT=unused_port, LARAVEL_DATABASE_URL="mysql+pymysql://u:p@127.0.0.1/shop")
    assert (named.returncode, named.stdout) == (0, "")


def test_missing_programs_are_named_with_the_command_that_installs_them(bare_machine: Path) -> None:
    checked = subprocess.run(
        [program("bash"), ROOT / "deploy" / "setup.sh", "system"],
        env={"PATH": str(bare_machine)},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 1
    assert "run 'sudo apt-get install redis-server" in checked.stderr
    assert "chromium" in checked.stderr
    assert checked.stderr.count("\n") == 1


def test_every_script_is_executable_and_parses() -> None:
    for script in (
        ".ci/run",
        *sorted(ROOT.glob("deploy/setup*.sh")),
        *sorted(ROOT.glob("deploy/setup/*.sh")),
    ):
        assert subprocess.run([program("bash"), "-n", ROOT / script]).returncode == 0, script
    for script in (".ci/run", "deploy/setup.sh", "deploy/setup/start.sh", "deploy/setup/tests.sh"):
        assert os.access(ROOT / script, os.X_OK), script
