"""The names of the audit log: one for each act, written by nobody otherwise, and all in the document."""

import ast
import re
from collections.abc import Iterator

import pytest

from mechamap.domain.acts import Act, names_meant
from tests.services.processes import ROOT

DOCUMENT = ROOT / "docs" / "CONSOLE.md"


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of what is called so, with its place."""
    for path in sorted((ROOT / "mechamap").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
                if called == name:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_no_name_means_two_acts() -> None:
    names = [name for act in Act for name in act.names]
    assert len(names) == len(set(names))
    assert [act for act in Act if not re.fullmatch(r"[a-z]+\.[a-z_]+", act) or not act.told] == []


def test_nothing_is_recorded_by_another_name() -> None:
    """``AuditTrail.record`` takes nothing but an ``Act``; this finds who would learn that in production."""
    given = {place: ast.unparse(call.args[1]) for name in ("audited", "needs") for place, call in calls(name)}
    assert len(given) > 40
    assert {place: text for place, text in given.items() if not re.fullmatch(r"Act\.[A-Z_]+", text)} == {}


def test_every_name_is_in_use() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "mechamap").rglob("*.py"))
    assert [act.name for act in Act if f"Act.{act.name}" not in text] == []


def test_the_document_has_them_all() -> None:
    rows = re.findall(r"^\| `([a-z._]+)` \| ([^|`]+) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    told = {name: (what, tuple(re.findall(r"`([^`]+)`", former))) for name, what, former in rows}
    assert told == {act.value: (act.told, act.former) for act in Act}


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("key.create", {Act.KEY_CREATE}),
        ("token", {Act.TOKEN_ISSUE, Act.TOKEN_REVOKE, Act.TOKEN_EXPLAIN}),
        ("tokens.revoke", {Act.TOKEN_REVOKE}),
        ("tokens", set()),
        ("nothing", set()),
    ],
)
def test_a_filter_means_acts_by_their_beginning_or_by_a_former_name(text: str, acts: set[Act]) -> None:
    assert set(names_meant(text)) == {name for act in acts for name in act.names}
