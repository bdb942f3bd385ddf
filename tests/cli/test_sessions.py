"""``flask sessions``."""

from tests.browser.place import Operator, Place
from tests.services.application import Application

from .terminal import Runner, widest


def test_sessions_are_listed_and_ended_after_asking(here: Runner, server: Application):
    password = here.flask("demo", "seed", "--json").succeeded().json()["dashboard"]
    place = Place(server, password["login"], password["password"])
    first, second = place.operator(), place.operator()
    rows = here.flask("sessions", "list", "--user", "1", "--json").succeeded().json()
    assert len(rows) >= 2
    assert not [name for name in rows[0] if "digest" in name or "secret" in name]
    shown = here.flask("sessions", "list").succeeded()
    assert "Anna #1" in shown.out
    assert widest(shown.said) <= 80
    here.flask("sessions", "end", "--id", str(rows[0]["id"])).refused("End 1 session", "--yes", code=2)
    here.flask("sessions", "end", "--id", str(rows[0]["id"]), "--yes").succeeded()
    assert [status(operator) for operator in (first, second)] == [200, 302]
    told = here.flask("sessions", "end", "--user", "1", "--yes", "--json").succeeded().json()
    assert told["ended"] == len(rows) - 1
    assert status(first) == 302
    here.flask("sessions", "end", "--user", "1", "--yes").refused("no such session")
    here.flask("sessions", "end").refused("exactly one", code=2)
    assert "Nobody" in here.flask("sessions", "list", "--user", "1").succeeded().err


def test_who_may_enter_is_told_by_role(here: Runner):
    told = here.flask("sessions", "roles", "--json").succeeded().json()
    assert list(told) == ["administrator", "operator", "viewer"]
    assert "super_admin" in told["administrator"] and "moderator" in told["viewer"]
    assert not [names for names in told.values() if "member" in names]
    shown = here.flask("sessions", "roles").succeeded()
    assert "super_admin" in shown.out and widest(shown.said) <= 80


def status(operator: Operator) -> int:
    return operator.get("/admin/rules/").status
