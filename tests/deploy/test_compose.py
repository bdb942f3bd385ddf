"""deploy/docker-compose.yml: every reference leads somewhere, and it agrees with the files beside it."""

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml

from tests.services.processes import ROOT

from .dockerfile import read_dockerfile
from .nginx import CONFIGURATION

FOLDER = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APPLICATIONS = {name: service for name, service in SERVICES.items() if name.startswith("app-")}


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def graceful_timeout() -> int:
    return int(re.search(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.M)[1])


def test_there_are_two_applications_that_differ_in_their_address_alone() -> None:
    first, second = APPLICATIONS.values()
    addresses = [one["networks"]["front"]["ipv4_address"] for one in (first, second)]
    assert addresses[0] != addresses[1]
    assert {**first, "networks": None} == {**second, "networks": None}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_depends_on_services_that_exist(name: str) -> None:
    for dependency, terms in SERVICES[name].get("depends_on", {}).items():
        assert dependency in SERVICES
        if terms["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[dependency] or "build" in SERVICES[dependency]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_uses_networks_and_volumes_that_exist(name: str) -> None:
    assert set(SERVICES[name]["networks"]) <= COMPOSE["networks"].keys()
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        if source == "./tls":
            # The operator's certificate; how to get one is said at the top of the file.
            assert "deploy/tls/fullchain.pem" in (FOLDER / "docker-compose.yml").read_text()
        elif source.startswith("."):
            assert (FOLDER / source).is_file()
        else:
            assert source in COMPOSE["volumes"]


def test_the_image_is_built_from_this_project() -> None:
    build = SERVICES["app-1"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert (FOLDER / SERVICES["app-1"]["env_file"]).resolve() == ROOT / ".env"


def test_tables_are_made_before_an_application_starts() -> None:
    assert SERVICES["migrate"]["command"] == ["flask", "db", "upgrade"]
    for application in APPLICATIONS.values():
        assert application["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_nginx_knows_the_applications_by_name_and_port() -> None:
    upstream = re.findall(r"^\s+server ([\w-]+):(\d+);", CONFIGURATION.read_text(), re.M)
    assert upstream == [(name, service["environment"]["PORT"]) for name, service in APPLICATIONS.items()]


def test_only_nginx_is_trusted_as_a_proxy() -> None:
    address = SERVICES["nginx"]["networks"]["front"]["ipv4_address"]
    for application in APPLICATIONS.values():
        assert application["environment"]["TRUSTED_PROXIES"] == address


def test_the_fixed_addresses_are_different_and_in_the_network() -> None:
    network = ip_network(COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"])
    fixed = [
        service["networks"]["front"]["ipv4_address"]
        for service in SERVICES.values()
        if "front" in service["networks"]
    ]
    assert len(fixed) == len(set(fixed)) == 3
    assert all(ip_address(address) in network for address in fixed)


def test_only_nginx_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert list(SERVICES["redis"]["networks"]) == list(SERVICES["mariadb"]["networks"]) == ["back"]


def test_an_application_has_time_for_its_farewell() -> None:
    for application in APPLICATIONS.values():
        assert seconds(application["stop_grace_period"]) > graceful_timeout()


def test_each_application_may_write_only_to_folders_of_its_own() -> None:
    user = next(one.text for one in read_dockerfile(FOLDER / "Dockerfile") if "useradd" in one.text)
    uid = re.search(r"--uid (\d+)", user)[1]
    for application in APPLICATIONS.values():
        assert application["read_only"] is True
        assert "volumes" not in application
        instance = application["environment"]["INSTANCE_PATH"]
        assert f"{instance}:uid={uid},gid={uid},mode=0700" in application["tmpfs"]


@pytest.mark.parametrize("name", [*APPLICATIONS, "nginx"])
def test_ten_thousand_browsers_find_a_descriptor(name: str) -> None:
    assert SERVICES[name]["ulimits"]["nofile"] >= 20_000
