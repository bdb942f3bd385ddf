"""Orders that keep people out: what is open ends, and who was verified a moment before is not let in."""

import pytest

from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import AuthenticationFailed, UserBlocked
from mechamap.domain.identity import Identity, TokenKind

A, B = "a" * 16, "b" * 16


def connect(world, sid: str, user_id: int = 7, token: str = A, jti: str = ""):
    identity = Identity(user_id, "member", "x", TokenKind.JWT, None, token, jti_ref=jti)
    about = {"transport": "websocket", "address": None, "user_agent": None}
    admission = world.hub.connect(sid, identity, world.facts.people.get(user_id), None, **about)
    world.hub.join(admission)
    return admission.connection


def revoke(token: str) -> Command:
    return Command(Action.REVOKE, token=token, code="token_revoked", reason="Revoked.")


@pytest.mark.parametrize("name", [A, B])
def test_revoking_closes_what_came_with_the_token_or_its_jti_and_nothing_else(world, name):
    connect(world, "1.1", token=A, jti=B), connect(world, "1.2", token="c" * 16)
    world.broker.command(revoke(name))
    assert world.transport.closed == {"1.1": "token_revoked"}
    assert world.transport.events("1.1", "force_disconnect") == [
        {"reason": "Revoked.", "code": "token_revoked"}
    ]
    assert world.hub.connections.get("1.2") is not None
    with pytest.raises(AuthenticationFailed) as refusal:
        connect(world, "1.3", token=A, jti=B)
    assert refusal.value.code == "token_revoked"
    assert world.hub.connections.get("1.3") is None
    assert world.broker.channels() == {"user:7": 1}


def test_blocking_closes_the_users_connections_and_refuses_who_was_verified_before(world):
    connect(world, "1.1"), connect(world, "1.2", user_id=8)
    until = world.now + 30
    world.broker.command(Command(Action.BLOCK, user_id=7, until=until, code="user_blocked", reason="Out."))
    assert world.transport.closed == {"1.1": "user_blocked"}
    with pytest.raises(UserBlocked) as refusal:
        connect(world, "1.3")
    assert refusal.value.until == until
    connect(world, "1.4", user_id=8)
    world.now = until
    connect(world, "1.5")


def test_unblocking_lets_in_at_once(world):
    world.broker.command(Command(Action.BLOCK, user_id=7, until=world.now + 30))
    world.broker.command(Command(Action.UNBLOCK, user_id=7))
    connect(world, "1.1")


def test_sign_ins_look_the_database_up_again_after_such_an_order(world):
    barred = []
    world.hub.commands.barred = barred.append
    orders = [
        revoke(A),
        Command(Action.BLOCK, user_id=7, until=world.now + 9),
        Command(Action.UNBLOCK, user_id=7),
    ]
    for order in (*orders, Command(Action.KICK, user_id=9)):
        world.broker.command(order)
    assert barred == orders


@pytest.mark.parametrize(
    "parts",
    [
        {"action": Action.REVOKE, "user_id": 7},
        {"action": Action.KICK, "token": A},
        {"action": Action.BLOCK, "user_id": 7},
        {"action": Action.BLOCK, "sid": "1.1", "until": 5.0},
        {"action": Action.BLOCK, "user_id": 7, "until": 1e300},
        {"action": Action.KICK, "user_id": 7, "until": 5.0},
        {"action": Action.REVOKE, "token": A, "sid": "1.1"},
    ],
)
def test_an_order_that_contradicts_itself_cannot_be_given(parts):
    with pytest.raises(ValueError):
        Command(**parts)
