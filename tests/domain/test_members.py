"""What members are called, and what their announcements are known by."""

import pytest

from mechamap.domain.members import MAX_NAME_LENGTH, Member, Serial, member_of, serial_of


@pytest.mark.parametrize(
    ("claimed", "name"),
    [
        (None, None),
        ("", ""),
        ("Nguyễn 🔩", "Nguyễn 🔩"),
        ("x" * (MAX_NAME_LENGTH + 1), "x" * MAX_NAME_LENGTH),
        ("half a \ud83d pair", "half a ? pair"),
    ],
)
def test_a_name_is_cut_to_what_a_name_may_have_and_can_be_written(claimed, name):
    assert member_of(7, claimed) == Member(7, name)


def test_an_announcement_is_known_by_the_id_of_its_publication():
    serial = Serial("kT3x_9a-", 1041)
    assert serial_of(serial.id()) == serial


@pytest.mark.parametrize(
    "id",
    [
        "",
        "a" * 32,
        "kT3x_9a-.1041",
        "members.kT3x_9a-",
        "members.kT3x_9a-.-1",
        "members.kT3x_9a-.٣",
        "members.kT3x.9a-.1",
        "members.kT3x_9a-.1\n",
        "members.kT3x_9a-." + "9" * 16,
    ],
)
def test_other_ids_are_of_other_publications(id):
    assert serial_of(id) is None


def test_numbers_of_different_epochs_are_not_compared():
    first, second, other = Serial("a", 1), Serial("a", 2), Serial("b", 3)
    assert first.had_by(second)
    assert first.had_by(first)
    assert not second.had_by(first)
    assert not first.had_by(other)
    assert not first.had_by(None)
