"""Keeping a user out for a time, and revoking tokens by what is known of them."""

import pytest

from mechamap.domain.commands import Action
from mechamap.domain.errors import InvalidField, NotFound, UserBlocked

from .conftest import Door, add_token, sanctum_secret

DAY = 86_400


@pytest.fixture
def orders():
    return []


@pytest.fixture
def give(orders):
    def order(command):
        orders.append(command)
        return 3

    return order


def jwt_of(door: Door, user_id: int = 7) -> str:
    from datetime import timedelta

    return door.jwts.issue(user_id, timedelta(hours=1))


def test_a_blocked_user_is_refused_with_the_end_and_let_in_again_after_it_was_lifted(fast_door, give, orders):
    token = jwt_of(fast_door)
    record, closed = fast_door.blocklist.block(7, 60, "Enough.", "admin:1", give)
    assert (record.user_id, record.reason, record.blocked_by, closed) == (7, "Enough.", "admin:1", 3)
    with pytest.raises(UserBlocked) as refusal:
        fast_door.admit(token)
    assert refusal.value.code == "user_blocked"
    assert refusal.value.details()["until"].startswith(f"{record.until:%Y-%m-%dT%H:%M:%S}")
    [order] = orders
    assert (order.action, order.user_id, order.code) == (Action.BLOCK, 7, "user_blocked")
    assert order.until == record.until.timestamp()
    assert order.reason.startswith("Enough. You may connect again after ")
    fast_door.blocklist.unblock(7, give)
    assert fast_door.admit(token).user_id == 7
    assert orders[-1].action is Action.UNBLOCK
    with pytest.raises(NotFound):
        fast_door.blocklist.unblock(7, give)


def test_a_block_ends_by_itself_and_a_new_one_replaces_the_old(door, give):
    now = [1_900_000_000.0]
    door.blocklist._clock = lambda: now[0]
    token = jwt_of(door)
    door.blocklist.block(7, DAY, "one", "cli:a", give)
    second, _ = door.blocklist.block(7, 100, "two", "cli:b", give)
    assert [each.reason for each in door.blocklist.live()] == ["two"]
    now[0] = second.until.timestamp() - 1
    assert door.refuse(token) == "user_blocked"
    now[0] += 1
    assert door.admit(token).user_id == 7


@pytest.mark.parametrize("seconds", [0, -5, 367 * DAY])
def test_a_block_without_a_sensible_end_is_refused(fast_door, give, seconds, orders):
    with pytest.raises(InvalidField):
        fast_door.blocklist.block(7, seconds, "x", "cli:a", give)
    assert fast_door.blocklist.live() == []
    assert orders == []


@pytest.mark.parametrize("by", ["token", "reference"])
@pytest.mark.parametrize("kind", ["jwt", "sanctum"])
def test_a_token_is_revoked_by_itself_or_by_its_reference_whoever_made_it(
    people, door, give, orders, kind, by
):
    token = jwt_of(door) if kind == "jwt" else add_token(people, 41, sanctum_secret())
    other = jwt_of(door)
    identity = door.admit(token)
    if by == "token":
        assert door.revoking.token(token, give) == (identity, 3)
    else:
        assert door.revoking.ref(identity.token_ref, identity.expires_at, 7, give) == 3
    assert door.refuse(token) == "token_revoked"
    assert door.admit(other).user_id == 7
    [order] = orders
    assert (order.action, order.token, order.code) == (Action.REVOKE, identity.token_ref, "token_revoked")


def test_a_jti_names_the_same_for_the_database_and_for_live_connections(fast_door, give, orders):
    token = jwt_of(fast_door)
    identity = fast_door.admit(token)
    claims = fast_door.jwts.verify(token).claims
    fast_door.revoking.jti(claims["jti"], claims["exp"], give)
    assert fast_door.refuse(token) == "token_revoked"
    assert orders[0].token == identity.jti_ref != identity.token_ref
