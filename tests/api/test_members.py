"""Who may read the members of a channel over HTTP."""

import pytest
from flask import Flask

from mechamap.api import members
from mechamap.auth.protocol import BroadcastKey
from mechamap.domain.members import Member, MemberPage
from mechamap.edge import errors
from mechamap.edge.limits import RateLimits


class Keys:
    """One key for the threads that begin with 1."""

    def authenticate(self, presented):
        return BroadcastKey("laravel", ("presence-thread.1*",))


class Everywhere:
    """Every channel has the same member; remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def members(self, channel, after, limit):
        self.asked.append((channel.canonical, after, limit))
        return MemberPage((Member(7, "Hà"),), 1)


@pytest.fixture
def operations() -> Everywhere:
    return Everywhere()


@pytest.fixture
def client(operations):
    app = Flask("tests")
    errors.init_app(app)
    app.register_blueprint(members.blueprint(operations, Keys(), RateLimits(on=False, redis=None)))
    return app.test_client()


def test_a_key_sees_the_members_within_its_scope(client, operations):
    answer = client.get("/api/channels/presence-thread.10/members?after=3&limit=1000")
    assert answer.status_code == 200
    assert answer.json["members"] == [{"user_id": 7, "user_info": {"id": 7, "name": "Hà"}}]
    assert operations.asked == [("thread:10", 3, 1000)]


def test_and_nothing_outside_of_it(client, operations):
    answer = client.get("/api/channels/presence-thread.20/members")
    assert (answer.status_code, answer.json["code"]) == (403, "key_scope")
    assert operations.asked == []


@pytest.mark.parametrize("query", ["limit=ten", "limit=", "limit=1e2", "after=٣", "after=" + "9" * 5000])
def test_what_is_no_number_is_refused(client, query):
    assert client.get(f"/api/channels/presence-thread.10/members?{query}").status_code == 422
