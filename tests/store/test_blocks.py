"""Users who are kept out, in our own table."""

from datetime import UTC, datetime, timedelta

import pytest

from mechamap.domain.errors import InvalidField
from mechamap.store import blocks as module
from mechamap.store.blocks import Blocks

from .site import Server, Serving

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def blocks(own_server: Server) -> Blocks:
    return Blocks(own_server.databases.own)


def test_a_block_is_listed_until_it_is_over_or_lifted(blocks: Blocks):
    made = blocks.block(7, LATER, "Enough — đủ rồi.", "admin:1")
    blocks.block(8, NOW - timedelta(seconds=1), "over", "admin:1")
    assert blocks.live() == [made]
    assert (made.user_id, made.until, made.reason, made.blocked_by) == (
        7,
        LATER,
        "Enough — đủ rồi.",
        "admin:1",
    )
    assert blocks.unblock(7) is True
    assert blocks.unblock(7) is False
    assert blocks.live() == []


def test_a_user_has_one_block_the_last(blocks: Blocks):
    blocks.block(7, LATER, "one", "admin:1")
    second = blocks.block(7, LATER + timedelta(days=1), "two", "cli:anna")
    third = blocks.block(2**63 - 1, LATER, "x" * 300, "b" * 300)
    assert blocks.live() == [third, second]
    assert (len(third.reason), len(third.blocked_by)) == (200, 191)


def test_there_is_a_limit_and_what_is_over_does_not_count(blocks: Blocks, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST", 2)
    blocks.block(1, NOW - timedelta(seconds=1), "over", "a")
    for user_id in (2, 3, 3):
        blocks.block(user_id, LATER, "x", "a")
    with pytest.raises(InvalidField) as refusal:
        blocks.block(4, LATER, "x", "a")
    assert refusal.value.code == "too_many_blocks"


def test_without_the_table_nobody_is_blocked(server_for: Serving):
    assert Blocks(server_for(migrate=False).databases.own).live() == []
