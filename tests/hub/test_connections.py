"""The books of one worker: what a connection remembers, and whose token has ended."""

import pytest

from mechamap.domain.channels import Channel, parse_channel
from mechamap.domain.dialects import Dialect
from mechamap.domain.grammar import ChannelKind
from mechamap.domain.history import Position
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.domain.publication import Publication
from mechamap.hub.connection import Connection
from mechamap.hub.connections import Connections

from .fakes import identity

BEGINNING = Position("epoch-01", 40)


def connection(sid: str = "a", **changes) -> Connection:
    values = {"identity": identity(7), "facts": UserFacts(7, "Giang", "member"), **changes}
    return Connection(
        sid,
        values["identity"],
        values["facts"],
        "w1",
        BEGINNING,
        transport="websocket",
        address="203.0.113.9",
        user_agent="test",
        connected_at=1000.0,
    )


@pytest.fixture
def books() -> Connections:
    return Connections()


def test_role_and_name_are_the_tables_where_it_has_them_and_the_tokens_elsewhere():
    claimed = Identity(7, "admin", "Claimed", TokenKind.JWT, None, "0" * 16)
    known, unknown = connection(identity=claimed), connection(identity=claimed, facts=None)
    assert (known.role, known.name) == ("member", "Giang")
    assert (unknown.role, unknown.name) == ("admin", "Claimed")
    assert unknown.identity == Identity(7, "admin", "Claimed", TokenKind.JWT, None)
    known.facts = UserFacts(7, "Giang", "moderator")
    assert known.identity.role == known.record().role == "moderator"


def test_channels_are_remembered_in_order_and_in_the_clients_own_spelling():
    own, odd = parse_channel("private-user.7"), Channel("Thread #9", ChannelKind.THREAD, "thread:9", 9)
    held = connection()
    for channel in (own, odd, parse_channel("public.news")):
        held.join(channel, Position("epoch-01", 50))
    assert held.canonicals == ("user:7", "thread:9", "public:news")
    assert held.spellings == held.record().channels == ("private-user.7", "Thread #9", "public.news")
    assert held.channels == {"user:7": own, "thread:9": odd, "public:news": parse_channel("public.news")}
    assert held.leave("thread:9")
    assert not held.leave("thread:9")
    assert held.canonicals == ("user:7", "public:news")


def test_a_session_is_kept_with_where_it_began_and_joined_each_channel():
    held = connection()
    held.join(parse_channel("private-user.7"), BEGINNING)
    held.join(parse_channel("public.news"), Position("epoch-01", 50))
    kept = held.kept()
    assert (kept.user_id, kept.sids, kept.position) == (7, ("a",), BEGINNING)
    assert kept.channels == held.joins() == {"private-user.7": 40, "public.news": 50}
    held.leave("user:7")
    assert held.kept().channels == {"public.news": 50}


def test_offsets_of_an_epoch_that_has_ended_count_for_nothing():
    held = connection()
    held.join(parse_channel("private-user.7"), BEGINNING)
    held.join(parse_channel("public.news"), Position("epoch-02", 3))
    assert held.kept().position == Position("epoch-02", 0)
    assert held.kept().channels == {"private-user.7": 0, "public.news": 3}


def ended(books: Connections, now: float) -> list[str]:
    return sorted(connection.sid for connection in books.expired(now))


def test_tokens_end_in_the_order_of_their_times_whenever_they_came(books):
    for sid, end in (("late", 30.0), ("early", 10.0), ("never", None), ("middle", 20.0)):
        books.add(connection(sid, identity=identity(7, expires_at=end)))
    assert ended(books, 9.9) == []
    assert ended(books, 10.0) == ["early"]
    books.remove("early")
    books.add(connection("sooner", identity=identity(7, expires_at=15.0)))
    assert ended(books, 15.0) == ["sooner"]
    books.remove("sooner")
    assert ended(books, 19.0) == []
    assert ended(books, 1e12) == ["late", "middle"]


def test_one_whose_end_could_not_be_carried_out_is_named_again(books):
    books.add(connection("stuck", identity=identity(7, expires_at=10.0)))
    books.add(connection("later", identity=identity(7, expires_at=20.0)))
    assert ended(books, 11.0) == ended(books, 12.0) == ["stuck"]
    books.remove("stuck")
    assert ended(books, 13.0) == []
    assert ended(books, 20.0) == ["later"]


def test_one_that_left_is_not_named(books):
    books.add(connection("gone", identity=identity(7, expires_at=10.0)))
    books.remove("gone")
    assert ended(books, 100.0) == []


@pytest.mark.parametrize(
    ("through", "into", "heard", "gets"),
    [
        (Dialect.PLAN, Dialect.PLAN, 49, True),
        (Dialect.PLAN, Dialect.PLAN, 50, True),
        # a copy for each: what is still to come will come as both, what came already came as the other one
        (Dialect.ECHO, Dialect.ECHO, 49, True),
        (Dialect.ECHO, Dialect.ECHO, 50, False),
        (Dialect.PLAN, Dialect.ECHO, 50, False),
        (Dialect.ECHO, Dialect.PLAN, 50, False),
        (Dialect.ECHO, Dialect.PLAN, 49, True),
    ],
)
def test_what_comes_through_another_channel_depends_on_the_dialects(through, into, heard, gets):
    held = connection()
    held.join(parse_channel("public.a"), Position("epoch-01", 45), through)
    held.join(parse_channel("public.b"), Position("epoch-01", 41), into)
    publication = Publication((parse_channel("public.a"), parse_channel("public.b")), "n", b"1")
    publication.place("epoch-01", 50)
    assert held.gets(publication, "public:b", lambda canonical: Position("epoch-01", heard)) is gets
    early = Publication((parse_channel("public.a"), parse_channel("public.b")), "n", b"1")
    early.place("epoch-01", 44)
    assert not held.gets(early, "public:b", lambda canonical: Position("epoch-01", 43))
