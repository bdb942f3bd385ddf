"""Paper for a terminal."""

import pytest

from mechamap.cli import printing

from .terminal import widest


@pytest.fixture(autouse=True)
def terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]):
    printing.table(("N", "NAME"), [(1, "a"), (200, "bcd")], right=(0,))
    assert capsys.readouterr().out == "  N  NAME\n  1  a\n200  bcd\n"


def test_the_flexible_column_gives_way_and_no_other(capsys: pytest.CaptureFixture[str]):
    printing.table(("NAME", "ID"), [("x" * 100, "y" * 38)], flexible=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("…  " + "y" * 38)
    assert widest("\n".join(lines)) == 80


def test_long_values_continue_under_themselves(capsys: pytest.CaptureFixture[str]):
    printing.fields([("why", "word " * 40), ("code", "x")], indent="  ")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  why   word") and lines[1].startswith("        word")
    assert lines[-1] == "  code  x"
    assert widest("\n".join(lines)) <= 80


def test_a_name_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]):
    printing.table(("NAME",), [("Eve\x1b[2J\r\nroot\u202e",)])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\r" not in shown and "\u202e" not in shown
    assert len(shown.splitlines()) == 2


@pytest.mark.parametrize(("text", "taken"), [("Bình", 4), ("Bi\u0300nh", 4), ("漢字", 4), ("", 0)])
def test_width_is_what_a_terminal_shows(text: str, taken: int):
    assert printing.columns(text) == taken
    assert printing.columns(printing.padded(text, 6)) == 6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds: float, text: str):
    assert printing.span(seconds) == text


def test_json_keeps_letters_as_they_are(capsys: pytest.CaptureFixture[str]):
    printing.print_json({"name": "Bình", "of": ("a",)})
    assert '"name": "Bình"' in capsys.readouterr().out
