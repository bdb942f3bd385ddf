"""deploy/mechamap-realtime.service: systemd accepts it, and it agrees with the server's times and limits."""

import configparser
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from mechamap.settings import load
from tests.services.application import Serve
from tests.services.processes import ROOT, private_directory

from .dockerfile import read_dockerfile
from .test_compose import graceful_timeout

UNIT = ROOT / "deploy" / "mechamap-realtime.service"
INSTALLED = "/opt/mechamap-realtime"


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str
    # A line that ends in a backslash goes on in the next.
    parser.read_string(UNIT.read_text().replace("\\\n", " "))
    assert parser.sections() == ["Unit", "Service", "Install"]
    return parser["Service"]


def analyze(tmp_path: Path, *command: str) -> str:
    """What systemd-analyze says of the unit, its programs being those of this project."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(INSTALLED, str(ROOT)))
    ran = subprocess.run(
        ["systemd-analyze", *command, unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_systemd_accepts_the_unit_without_a_remark(
    tmp_path: Path, service: configparser.SectionProxy
) -> None:
    # Where systemd is not installed it cannot be asked; that the unit can be parsed the fixture has shown.
    if shutil.which("systemd-analyze"):
        assert UNIT.name not in analyze(tmp_path, "verify")


def test_systemd_calls_the_unit_s_exposure_low(tmp_path: Path, service: configparser.SectionProxy) -> None:
    assert service["NoNewPrivileges"] == "yes"
    if shutil.which("systemd-analyze"):
        # In tenths; 1.7 as shipped, 9.2 without the hardening.
        analyze(tmp_path, "security", "--offline=yes", "--threshold=20", "--no-pager")


def test_the_programs_are_those_of_set_up(service: configparser.SectionProxy) -> None:
    command = service["ExecStart"].split()
    program = command.index(f"{INSTALLED}/.venv/bin/gunicorn")
    start = read_dockerfile(ROOT / "deploy" / "Dockerfile")[-1].arguments
    assert command[program + 1 :] == start[1:]
    assert service["ExecStartPre"].endswith(f"{INSTALLED}/.venv/bin/flask db upgrade")
    assert service["WorkingDirectory"] == INSTALLED


@pytest.mark.parametrize("command", ["ExecStartPre", "ExecStart"])
def test_it_is_production_whatever_the_file_of_settings_says(
    service: configparser.SectionProxy, command: str
) -> None:
    words = service[command].split()
    assert words[0] == "/usr/bin/env"
    assert "APP_ENV=production" in words
    assert f"INSTANCE_PATH=%S/{service['StateDirectory']}" in words


def test_the_master_leads_the_farewell_and_has_time_for_it(service: configparser.SectionProxy) -> None:
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > graceful_timeout()
    assert service["ExecReload"] == "/bin/kill -s HUP $MAINPID"


def test_every_allowed_connection_finds_a_descriptor(
    service: configparser.SectionProxy, tmp_path: Path
) -> None:
    assert int(service["LimitNOFILE"]) > 2 * load({"INSTANCE_PATH": str(tmp_path)}).max_connections


def test_the_server_tells_systemd_when_it_is_up(serve: Serve, service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    folder = private_directory("notify")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(folder / "socket"))
            systemd.settimeout(10)
            serve(NOTIFY_SOCKET=str(folder / "socket"))
            assert b"READY=1" in systemd.recv(4096)
    finally:
        shutil.rmtree(folder)


def test_it_runs_as_a_user_of_its_own(service: configparser.SectionProxy) -> None:
    assert service["User"] == service["Group"] == "mechamap"
