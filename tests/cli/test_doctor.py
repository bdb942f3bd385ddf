"""``flask doctor`` as a whole."""

from typing import Any

import pytest

from tests.services.application import Application, Serve
from tests.services.laravel_api import says

from .certificate import make_certificate
from .conftest import KEY, running_here, settings_in
from .terminal import Runner, widest


def found(outcome, area: str, name: str) -> dict[str, Any]:
    [one] = [f for f in outcome.json()["findings"] if (f["area"], f["name"]) == (area, name)]
    return one


def test_a_healthy_installation_is_well(here: Runner):
    shown = here.flask("doctor").succeeded()
    assert "0 failures" in shown.out
    assert widest(shown.out) <= 80


def test_the_report_in_json_has_a_status_the_settings_and_every_finding(here: Runner, server: Application):
    told = here.flask("doctor", "--json").succeeded().json()
    assert told["status"] in ("ok", "warn")
    assert told["settings"]["PORT"] == str(server.port)
    areas = {finding["area"] for finding in told["findings"]} - {"Settings"}  # of an .env, if there is one
    assert areas == {"Secrets", "Redis", "Own database", "Laravel's database", "Machine", "TLS", "Server"}
    assert all(
        finding["said"] and finding["status"] in ("ok", "warn", "fail") for finding in told["findings"]
    )


def test_who_may_sign_in_to_the_console_is_counted(here: Runner):
    console = found(here.flask("doctor", "--json"), "Laravel's database", "console")
    assert (console["status"], console["said"].partition(": ")[2]) == ("ok", "1 administrator, 1 viewer.")


def test_no_secret_is_in_the_report(here: Runner, server: Application):
    reports = here.flask("doctor").said + here.flask("doctor", "--json").said
    secrets = [KEY]
    with open(f"{server.settings['INSTANCE_PATH']}/dev-secrets.env", encoding="ascii") as kept:
        secrets += [line.strip().partition("=")[2] for line in kept]
    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in reports


def test_the_running_server_is_asked_for_health_readiness_and_a_websocket(here: Runner):
    outcome = here.flask("doctor", "--json")
    for name in ("health", "readiness", "WebSocket"):
        assert found(outcome, "Server", name)["status"] == "ok"


def test_pending_migrations_and_an_empty_database_are_told(alone: Runner):
    outcome = alone.flask("doctor", "--json")
    assert outcome.code == 1
    pending = found(outcome, "Own database", "migrations")
    assert (pending["status"], pending["mend"]) == ("fail", "flask db upgrade")
    said = " ".join(finding["said"] for finding in outcome.json()["findings"])
    assert "There is no table users" in said


def test_a_server_that_does_not_run_is_a_warning_at_home_and_a_failure_at_its_public_address(alone: Runner):
    at_home = found(alone.flask("doctor", "--json"), "Server", "health")
    assert (at_home["status"], at_home["mend"]) == ("warn", "Start it with `make run`.")
    abroad = found(alone.flask("doctor", "--json", "--url", "http://127.0.0.1:9"), "Server", "health")
    assert abroad["status"] == "fail"


def test_a_stranger_at_the_address_is_not_taken_for_the_server(here: Runner, laravel_api):
    health = found(here.flask("doctor", "--json", "--url", laravel_api.url), "Server", "health")
    assert health["status"] == "fail" and "is not this server" in health["said"]


def test_a_proxy_that_does_not_pass_the_upgrade_is_told(here: Runner, laravel_api, server: Application):
    for path in ("/health", "/health/ready"):
        laravel_api.route("GET", path, says(server.get(path).json()))
    laravel_api.route("GET", "/socket.io/", says(b"Bad request", 400, "text/html"))
    outcome = here.flask("doctor", "--json", "--url", f"{laravel_api.url}/")
    upgrade = found(outcome, "Server", "WebSocket")
    assert (upgrade["status"], outcome.code) == ("fail", 1)
    assert "HTTP 400 instead of 101" in upgrade["said"] and "deploy/nginx.conf" in upgrade["mend"]


def test_readiness_is_told_in_the_servers_own_words(here: Runner, laravel_api):
    laravel_api.route("GET", "/health", says({"status": "ok", "version": "0.0.9"}))
    not_ready = {"status": "unavailable", "reasons": ["broker: Redis is away"]}
    laravel_api.route("GET", "/health/ready", says(not_ready, 503))
    outcome = here.flask("doctor", "--json", "--url", laravel_api.url)
    assert found(outcome, "Server", "readiness")["said"] == "Not ready: broker: Redis is away"
    assert "0.0.9" in found(outcome, "Server", "health")["said"]


@pytest.mark.parametrize("url", ["realtime.mechamap.com", "ftp://x", "https://x/?a=1", "https://"])
def test_an_address_that_is_none_is_a_usage_error(here: Runner, url: str):
    here.flask("doctor", "--url", url).refused("--url", code=2)


def test_a_server_with_a_certificate_of_its_own_is_examined_over_tls(serve: Serve, tmp_path):
    certificate, key = make_certificate(tmp_path / "tls")
    settings = settings_in(str(tmp_path / "instance"), SSL_CERT_PATH=str(certificate), SSL_KEY_PATH=str(key))
    server = serve(settings)
    with running_here(server.settings) as runner:
        outcome = runner.flask("doctor", "--json")
        for name in ("health", "WebSocket"):
            assert found(outcome, "Server", name)["status"] == "ok"
        assert found(outcome, "TLS", "certificate")["status"] == "ok"
        assert len(runner.flask("workers", "list", "--json").succeeded().json()) == 1


def test_unknown_roles_and_missing_columns_of_a_real_database_are_counted(mariadb_server, tmp_path):
    laravel = mariadb_server.create_database("cli_laravel")
    mariadb_server.execute(
        """
        CREATE TABLE users (id INT PRIMARY KEY, role VARCHAR(50) NULL);
        INSERT INTO users VALUES (1, 'wizard'), (2, 'wizard'), (3, 'member'), (4, NULL), (5, '');
        CREATE TABLE forums (id INT PRIMARY KEY, required_role VARCHAR(50) NULL);
        INSERT INTO forums VALUES (1, NULL), (2, 'senior_member'), (3, 'druid');
        """,
        database="cli_laravel",
    )
    settings = settings_in(str(tmp_path), PORT="9", LARAVEL_DATABASE_URL=laravel)
    with running_here(settings) as runner:
        outcome = runner.flask("doctor", "--json")
        answer = found(outcome, "Laravel's database", "answer")
        assert answer["status"] == "ok" and answer["said"].startswith("MariaDB 1")
        assert found(outcome, "Laravel's database", "clock")["status"] == "ok"
        wizards = found(outcome, "Laravel's database", "users.role")
        assert wizards["status"] == "warn" and "2 users have the role 'wizard'" in wizards["said"]
        assert "ROLE_LEVELS=wizard=member" in wizards["mend"]
        druids = found(outcome, "Laravel's database", "forums.required_role")
        assert "1 forum requires the role 'druid'" in druids["said"]
        console = found(outcome, "Laravel's database", "console")
        assert console["status"] == "warn" and "CONSOLE_ROLES" in console["mend"]
        gaps = " ".join(f["said"] for f in outcome.json()["findings"] if f["name"] == "schema")
        assert "Users has no column is_active" in gaps and "There is no table threads" in gaps


def test_a_database_that_is_away_fails_in_a_sentence_and_the_rest_goes_on(tmp_path):
    away = "mysql://app:hush@127.0.0.1:9/realtime"
    with running_here(settings_in(str(tmp_path), PORT="9", DATABASE_URL=away)) as runner:
        outcome = runner.flask("doctor", "--json")
        assert outcome.code == 1
        assert "does not answer" in found(outcome, "Own database", "answer")["said"]
        assert found(outcome, "Machine", "descriptors")
        assert "hush" not in outcome.said
