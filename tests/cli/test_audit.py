"""``flask audit``."""

import json

from mechamap.domain.acts import Act

from .terminal import Runner, widest


def test_what_was_done_is_listed_found_and_printed_as_lines(here: Runner):
    for name in ("audited-one", "audited-two"):
        here.flask("keys", "create", name).succeeded()
    shown = here.flask("audit", "list", "--action", "key.", "--target", "audited").succeeded()
    assert "audited-two" in shown.out
    assert widest(shown.said) <= 80
    rows = here.flask("audit", "list", "--target", "audited", "--limit", "1", "--json").succeeded().json()
    assert [(row["action"], row["target"], row["outcome"]) for row in rows] == [
        ("key.create", "key:audited-two", "ok")
    ]
    exported = here.flask("audit", "export", "--target", "audited", "--since", "1h").succeeded()
    lines = exported.out.splitlines()
    assert [json.loads(line)["target"] for line in lines] == ["key:audited-two", "key:audited-one"]
    assert exported.err == "2 rows.\n"
    assert "No row matches" in here.flask("audit", "list", "--actor", "nobody-at-all").succeeded().err


def test_old_rows_are_removed_after_asking(here: Runner):
    here.flask("audit", "prune").refused("--yes", code=2)
    assert here.flask("audit", "prune", "--yes", "--json").succeeded().json()["removed"] == 0
    here.flask("audit", "prune", "--older-than", "soon", "--yes").refused("length of time", code=2)
    [row] = here.flask("audit", "list", "--action", "audit.prune", "--json").json()
    assert row["outcome"] == "ok"


def test_what_is_recorded_is_listed_by_its_names(here: Runner):
    told = here.flask("audit", "acts", "--json").succeeded().json()
    assert {row["action"]: tuple(row["former"]) for row in told} == {act.value: act.former for act in Act}
    shown = here.flask("audit", "acts").succeeded()
    assert "event.open" in shown.out and widest(shown.out) <= 80
