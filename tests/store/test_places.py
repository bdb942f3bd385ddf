"""Facts about conversations, groups, showcases and sellers, from the application's tables."""

from collections.abc import Callable

import gevent
import pytest

from mechamap.domain.facts import ConversationFacts, Fact, MembershipFacts, SellerFacts, ShowcaseFacts
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.groups import LaravelGroups

from . import shapes
from .site import Serving, Site, Statements

NOW = "2026-05-04 10:00:00"


@pytest.fixture
def places(site: Site) -> Site:
    """The application's conversations and the rest, without users."""
    site.create(shapes.PLACES)
    return site


@pytest.fixture
def directory(places: Site, server_for: Serving) -> LaravelDirectory:
    """Remembers for a minute."""
    server = server_for(places.url, migrate=False, DIRECTORY_CACHE_SECONDS="60")
    return LaravelDirectory(server.databases.laravel, server.settings)


def test_conversations_and_who_takes_part_in_them(places: Site, directory: LaravelDirectory) -> None:
    places.add("conversations", {"id": 5, "is_group": 0}, {"id": 6, "is_group": 1})
    places.add(
        "conversation_participants",
        *({"conversation_id": c, "user_id": u} for c, u in ((5, 7), (5, 8), (6, 8))),
    )
    places.add(
        "group_members",
        {"conversation_id": 6, "user_id": 7, "is_active": 1, "left_at": None},
        {"conversation_id": 6, "user_id": 8, "is_active": 0, "left_at": NOW},
        {"conversation_id": 6, "user_id": 9, "is_active": 1, "left_at": NOW},  # came back
    )
    assert directory.find(Fact.CONVERSATION, 5) == ConversationFacts(5, group=False)
    assert directory.find(Fact.CONVERSATION, 6) == ConversationFacts(6, group=True)
    assert directory.find(Fact.CONVERSATION, 7) is None
    found = {pair: directory.find(Fact.MEMBERSHIP, pair) for pair in ((5, 7), (5, 9), (6, 7), (6, 8), (6, 9))}
    assert found == {
        (5, 7): MembershipFacts(5, 7, participant=True),
        (5, 9): None,
        (6, 7): MembershipFacts(6, 7, group_member=True),
        (6, 8): MembershipFacts(6, 8, participant=True, group_member=False),
        (6, 9): MembershipFacts(6, 9, group_member=True),
    }
    assert directory.find(Fact.MEMBERSHIP, (5, 2**63)) is None
    assert directory.gather([(Fact.MEMBERSHIP, (0, 7)), (Fact.CONVERSATION, -1)]) == {}


def test_the_sizes_of_groups_are_of_active_members(
    places: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    groups = LaravelGroups(directory.schema, 60)
    places.add(
        "group_members",
        *({"conversation_id": 6, "user_id": user, "is_active": int(user != 8)} for user in (7, 8, 9)),
        {"conversation_id": 5, "user_id": 7, "is_active": 1},
    )
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    jobs = [gevent.spawn(groups.count, group_id) for group_id in (5, 6, 7, 6, 0, 2**63)]
    gevent.joinall(jobs)
    assert [job.get() for job in jobs] == [1, 2, 0, 2, 0, 0]
    assert groups.count(6) == 2
    assert len(seen) == 1


def test_showcases_and_sellers(places: Site, directory: LaravelDirectory) -> None:
    statuses = ("draft", "pending", "approved", "rejected", "featured", "archived")
    places.add("showcases", *({"id": n, "user_id": 7, "status": s} for n, s in enumerate(statuses, start=1)))
    places.add("showcases", id=9, user_id=8, status="approved", is_public=0)
    places.add("marketplace_sellers", id=3, user_id=7)
    found = directory.gather([(Fact.SHOWCASE, n) for n in range(1, 11)])
    approved = {n for n in range(1, 7) if found[Fact.SHOWCASE, n].approved}
    assert {statuses[n - 1] for n in approved} == {"approved", "featured"}
    assert found[Fact.SHOWCASE, 9] == ShowcaseFacts(9, 8, approved=True, public=False)
    assert (Fact.SHOWCASE, 10) not in found
    assert directory.find(Fact.SELLER, 3) == SellerFacts(3, 7)
    assert directory.find(Fact.SELLER, 7) is None  # the user's id is not the seller's


def test_without_the_tables_nobody_is_anywhere(site: Site, server_for: Serving) -> None:
    server = server_for(site.url, migrate=False)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    everything = [(fact, (5, 7) if fact is Fact.MEMBERSHIP else 5) for fact in Fact]
    assert [directory.find(*place) for place in everything] == [None] * len(Fact)
    assert LaravelGroups(directory.schema, 0).count(5) == 0
    assert directory.gather(everything) == {}


def test_missing_columns_are_not_asked_for(site: Site, server_for: Serving) -> None:
    site.create(
        [
            "CREATE TABLE conversations (id bigint NOT NULL PRIMARY KEY, deleted_at timestamp NULL)",
            "CREATE TABLE group_members (conversation_id bigint, user_id bigint, left_at timestamp NULL)",
            "CREATE TABLE conversation_participants (conversation_id bigint)",
            "CREATE TABLE showcases (id bigint NOT NULL PRIMARY KEY)",
            "CREATE TABLE marketplace_sellers (id bigint NOT NULL PRIMARY KEY)",
        ]
    )
    site.add("conversations", {"id": 5, "deleted_at": None}, {"id": 6, "deleted_at": NOW})
    site.add(
        "group_members",
        {"conversation_id": 5, "user_id": 7, "left_at": None},
        {"conversation_id": 5, "user_id": 8, "left_at": NOW},
    )
    site.add("conversation_participants", conversation_id=5)
    site.add("showcases", id=1)
    site.add("marketplace_sellers", id=1)
    server = server_for(site.url, migrate=False)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert directory.find(Fact.CONVERSATION, 5) == ConversationFacts(5)
    assert directory.find(Fact.CONVERSATION, 6) is None
    assert directory.find(Fact.MEMBERSHIP, (5, 7)) == MembershipFacts(5, 7, group_member=True)
    assert directory.find(Fact.MEMBERSHIP, (5, 8)) is None
    assert LaravelGroups(directory.schema, 0).count(5) == 1
    assert directory.find(Fact.SHOWCASE, 1) == ShowcaseFacts(1, None)
    assert directory.find(Fact.SELLER, 1) == SellerFacts(1, None)


def test_a_thousand_memberships_are_read_in_a_few_queries_and_exactly(
    places: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    pairs = [(conversation, conversation % 40 + 1) for conversation in range(1, 1001)]
    rows = [{"conversation_id": c, "user_id": u} for c, u in pairs if c % 2]
    # rows of the same conversations and users in other combinations must not be brought
    rows += [{"conversation_id": c, "user_id": (u + 1) % 40 + 1} for c, u in pairs]
    places.add("conversation_participants", *rows)
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    found = directory.gather([(Fact.MEMBERSHIP, pair) for pair in pairs])
    assert {key for _, key in found} == {pair for pair in pairs if pair[0] % 2}
    assert len(seen) == 4
    assert directory.find(Fact.MEMBERSHIP, (1, 2)) == found[Fact.MEMBERSHIP, (1, 2)]
    assert len(seen) == 4, "what was gathered is remembered"


def test_those_who_ask_at_once_share_queries(
    places: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    places.add("conversation_participants", *({"conversation_id": 5, "user_id": u} for u in range(1, 201)))
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    jobs = [gevent.spawn(directory.find, Fact.MEMBERSHIP, (5, user)) for user in range(1, 301)]
    gevent.joinall(jobs)
    assert sum(job.get() is not None for job in jobs) == 200
    assert len(seen) <= 4


def test_a_membership_that_ended_is_not_remembered_once_it_was_asked_again(
    places: Site, directory: LaravelDirectory
) -> None:
    places.add("conversations", id=6, is_group=1)
    places.add("group_members", conversation_id=6, user_id=7)
    place = (Fact.MEMBERSHIP, (6, 7))
    assert directory.find(*place) is not None
    places.execute("UPDATE group_members SET is_active = 0")
    assert directory.find(*place) is not None  # for as long as rows are kept
    assert directory.gather([place]) == {}
    assert directory.find(*place) is None


def test_a_new_member_is_known_at_once(places: Site, directory: LaravelDirectory) -> None:
    assert directory.find(Fact.MEMBERSHIP, (5, 7)) is None
    places.add("conversation_participants", conversation_id=5, user_id=7)
    assert directory.find(Fact.MEMBERSHIP, (5, 7)) is not None
