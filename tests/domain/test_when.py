"""Moments as people write them."""

import pytest

from mechamap.domain.errors import InvalidField
from mechamap.domain.when import read_moment

NOON = 1_795_694_400.0  # 2026-11-26 12:00:00 UTC, 19:00 in Saigon
ZONE = "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("19:00", NOON),
        (" 18:59:30 ", NOON - 30),
        ("19:01", NOON + 60),
        ("20:00", NOON + 3600 - 86_400),
        ("2026-11-26 19:00", NOON),
        ("2026-11-26T12:00:00Z", NOON),
        ("2026-11-26", NOON - 19 * 3600),
        ("1795694400", NOON),
    ],
)
def test_a_moment_is_understood(text, moment):
    assert read_moment(text, ZONE, NOON) == moment


@pytest.mark.parametrize("text", ["", "noon", "25:00", "19:00:00:00", "1:2:3:4", "2026-13-01", "9" * 40])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(InvalidField):
        read_moment(text, ZONE, NOON)
