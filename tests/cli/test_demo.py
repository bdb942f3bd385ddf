"""``flask demo seed``."""

import json
import shlex
import subprocess
from pathlib import Path

from mechamap.cli.demo import notification, packed
from tests.services.application import Application

from .conftest import KEY, running_here, settings_in
from .terminal import Runner, widest


def test_it_prints_what_to_open_and_where_to_sign_in(here: Runner, server: Application):
    shown = here.flask("demo", "seed").succeeded().out
    for word in (
        f"{server.url}/demo/2",
        f"{server.url}/demo/3",
        f"{server.url}/admin/",
        "anna@mechamap.test",
    ):
        assert word in shown
    assert "Ctrl+C" in shown and server.settings["INSTANCE_PATH"] in shown


def test_the_printed_pages_and_the_login_are_real(here: Runner, server: Application):
    told = here.flask("demo", "seed", "--json").succeeded().json()
    for page in told["pages"].values():
        assert server.get(page.removeprefix(server.url)).status == 200
    kept = json.loads(Path(server.settings["INSTANCE_PATH"], "demo.json").read_text())
    assert told["dashboard"]["password"] == kept["password"]


def test_the_printed_tokens_open_connections(here: Runner, server: Application, node_client):
    for token in here.flask("demo", "seed", "--json").json()["tokens"].values():
        node_client().connect(server.url, auth={"token": token})


def test_the_pasted_curl_line_notifies_a_browser_that_can_mark_it_as_read(here: Runner, browser):
    client = browser(2)
    shown = here.flask("demo", "seed").succeeded().out
    line = shown[shown.index("curl ") :].split("\n\n")[0]
    pasted = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20)
    assert json.loads(pasted.stdout)["success"] is True, pasted
    notification = client.wait_for("notification.sent")[0]
    assert {"id", "type", "title", "message", "data", "unread_count", "created_at"} <= set(notification)
    read = client.emit_ack("notification_read", {"notificationId": notification["id"]})
    assert "error" not in read, read


def test_the_curl_line_in_json_is_one_line_with_the_development_key(here: Runner):
    words = shlex.split(here.flask("demo", "seed", "--json").json()["curl"])
    assert words[0] == "curl" and f"X-API-Key:{KEY}" in words


def test_the_curl_line_fits_a_terminal_and_stays_json():
    body = notification()
    assert json.loads(packed(body)) == body
    assert widest(packed(body)) <= 78


def test_seeding_again_changes_nothing(here: Runner):
    one, other = (here.flask("demo", "seed", "--json").json() for _ in range(2))
    assert one["dashboard"] == other["dashboard"] and one["users"] == other["users"]


def test_production_refuses(tmp_path):
    secrets = dict.fromkeys(("SECRET_KEY", "JWT_SECRET"), "a-secret-of-more-than-thirty-two-characters")
    settings = settings_in(str(tmp_path), APP_ENV="production", **secrets) | {"RATE_LIMITS": "on"}
    with running_here(settings) as runner:
        runner.flask("demo", "seed").refused("refused in production")


def test_a_database_of_ones_own_is_left_alone(tmp_path):
    elsewhere = f"sqlite:///{tmp_path / 'site.sqlite'}"
    with running_here(settings_in(str(tmp_path / "instance"), LARAVEL_DATABASE_URL=elsewhere)) as runner:
        runner.flask("demo", "seed").refused("only into the SQLite file of the instance folder")
