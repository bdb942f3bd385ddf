"""The audit log in the console: filtered, leafed through, taken along as a file."""

import html
import json
import re
from collections.abc import Iterator

import gevent
import pytest

from mechamap.domain.acts import Act

from .inside import Here, application
from .place import Seeded


@pytest.fixture(scope="module")
def here(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with application(seeded, tmp_path_factory.mktemp("audit"), APP_TIMEZONE="Asia/Ho_Chi_Minh") as running:
        for number in range(60):
            running.services.audit.record("cli:anna", Act.KEY_CREATE, f"key:{number}")
        running.services.audit.record("admin:9", Act.KEY_REVOKE, 'key:"<b>', outcome="key_not_found")
        running.sql("UPDATE rt_audit_log SET at = '2026-03-01 18:30:00' WHERE target = 'key:7'")
        yield running


@pytest.fixture(scope="module")
def client(here):
    return here.operator()


def targets(client, query: str) -> list[str]:
    answer = client.get(f"/admin/audit/export?{query}")
    assert answer.mimetype == "application/x-ndjson"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    return [json.loads(line)["target"] for line in answer.text.splitlines()]


def test_rows_are_filtered_and_the_filter_survives_leafing(client):
    page = client.get("/admin/audit/?actor=cli:anna&action=key.").text
    assert page.count("<tr>") == 51
    assert 'value="cli:anna"' in page
    assert "page=2&amp;actor=cli:anna&amp;action=key." in page
    assert "&lt;b&gt;" not in page
    refused = client.get("/admin/audit/?outcome=refused").text
    assert "&lt;b&gt;" in refused
    assert refused.count("<tr>") == 2
    assert "No row matches" in client.get("/admin/audit/?actor=nobody").text


def test_the_filter_offers_every_act_by_its_name(client):
    page = html.unescape(client.get("/admin/audit/").text)
    offered = re.findall(
        r'<option value="([a-z._]+)">([^<]+)</option>', page.partition('<datalist id="acts">')[2]
    )
    assert dict(offered[: len(Act)]) == {act.value: act.told for act in Act}
    assert 'list="acts"' in page


def test_a_row_with_a_former_name_is_found_by_the_name_of_now(here, client):
    here.sql(
        "INSERT INTO rt_audit_log (at, actor, action, target, outcome, detail) VALUES"
        " ('2026-02-01 00:00:00', 'admin:1', 'tokens.revoke', 'token:former', 'ok', '')"
    )
    assert targets(client, "action=token.revoke") == ["token:former"]
    assert "tokens.revoke" in client.get("/admin/audit/?action=token").text


def test_days_are_those_of_the_applications_time_zone(client):
    """18:30 UTC is half past one of the next day in Hồ Chí Minh."""
    assert targets(client, "since=2026-03-02&until=2026-03-02") == ["key:7"]
    assert targets(client, "since=2026-03-01&until=2026-03-01") == []


def test_the_file_has_every_row_that_matches_newest_first(client):
    assert targets(client, "action=key.create&since=2026-04-01") == [
        f"key:{number}" for number in reversed(range(60)) if number != 7
    ]
    row = json.loads(client.get("/admin/audit/export?outcome=key_not_found").text)
    assert set(row) == {
        *["id", "at", "actor", "action", "target", "outcome", "detail", "address", "request_id"]
    }
    assert row["target"] == 'key:"<b>'


def test_a_file_that_is_not_all_says_so(client, monkeypatch):
    monkeypatch.setattr("mechamap.admin.audit.EXPORTED", 3)
    lines = client.get("/admin/audit/export?action=key").text.splitlines()
    assert len(lines) == 4
    assert "3 rows" in json.loads(lines[-1])["incomplete"]


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_refused_beside_its_field(client, day):
    answer = client.get(f"/admin/audit/?until={day}")
    assert answer.status_code == 422
    assert 'id="error-until"' in answer.text
    assert client.get(f"/admin/audit/export?until={day}").status_code == 422


def test_a_running_server_removes_old_rows_and_tells_what_publishers_sent(seeded, tmp_path, monkeypatch):
    monkeypatch.setattr("mechamap.runtime.HOUSEKEEPING_SECONDS", 0.05)
    monkeypatch.setattr("mechamap.composition.BUCKET", 0.05)
    with application(seeded, tmp_path, AUDIT_DAYS="30") as here:
        for target in ("old", "young"):
            here.services.audit.record("x", Act.CONNECTION_CLOSE, target)
        here.sql("UPDATE rt_audit_log SET at = '2026-01-01 00:00:00' WHERE target = 'old'")
        told = []
        monkeypatch.setattr(here.services.rates, "_told", told)
        here.services.rates.count("key:blog", 3)
        gevent.sleep(0.3)
        assert [row.target for row in here.services.audit.recent()] == ["young"]
        assert [counted for _, counted in told] == [{"key:blog": 3}]


def test_a_log_may_be_kept_for_ever(seeded, tmp_path):
    with application(seeded, tmp_path, AUDIT_DAYS="0") as here:
        assert here.services.runtime.housekeeping is None
        assert "Rows are kept" not in here.operator().get("/admin/audit/").text
