"""Channels become occupied and vacated: found by looks, told once, and not at all for a page that reloads."""

import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.webhooks import WebhookEvent, occupied, vacated
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.occupancy import VACATED_AFTER, Occupancy


class Site:
    """A leader's looks on a site whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.channels: dict[str, int] = {}
        self.away = False
        self.queues = MemoryQueues(["a"])
        self.occupancy = self.leader()

    def leader(self, *events: WebhookEvent) -> Occupancy:
        return Occupancy(
            self.count, self.queues, self.queues.add, events or tuple(WebhookEvent), clock=lambda: self.now
        )

    def count(self) -> dict[str, int]:
        if self.away:
            raise BrokerUnavailable("Redis is away.")
        return dict(self.channels)

    def look(self, *there: str, after: float = 1.0) -> list[bytes]:
        """What is told, one look later, while these channels have subscribers."""
        self.now += after
        self.channels = dict.fromkeys(there, 1)
        self.occupancy.look()
        return self.told()

    def told(self) -> list[bytes]:
        batch = self.queues.take("a")
        if batch is None:
            return []
        self.queues.done("a", batch.id, delivered=True)
        return list(batch.events)


@pytest.fixture
def site() -> Site:
    return Site()


A, B = "thread:7", "public:news"


def test_the_first_subscriber_is_told_at_once_and_only_the_first(site: Site):
    assert site.look(A) == [occupied(A).text]
    assert site.look(A) == []
    assert site.look(A, B) == [occupied(B).text]


def test_a_channel_is_vacated_when_nobody_came_back_in_time(site: Site):
    site.look(A, B)
    assert site.look(B) == []
    assert site.look(B, after=VACATED_AFTER - 0.1) == []
    assert site.look(B, after=0.2) == [vacated(A).text]
    assert site.look(B, after=60) == []
    assert site.look(A, B) == [occupied(A).text]


def test_a_page_that_reloads_is_silent_and_its_time_begins_anew(site: Site):
    site.look(A)
    for _ in range(5):
        assert site.look() == []
        assert site.look(after=VACATED_AFTER - 1.1) == []
        assert site.look(A) == []


def test_counters_that_are_zero_are_nobody(site: Site):
    site.channels = {A: 0}
    site.occupancy.look()
    assert site.told() == []


def test_the_next_leader_goes_on_where_the_last_one_stopped(site: Site):
    site.look(A)
    site.occupancy = site.leader()
    assert site.look(A) == []
    assert site.look(after=100) == []  # nothing is known yet of when that was
    assert site.look(after=VACATED_AFTER) == [vacated(A).text]


def test_an_outage_of_redis_empties_no_channel(site: Site):
    site.look(A)
    site.look()
    site.away = True
    with pytest.raises(BrokerUnavailable):
        site.look(after=60)
    site.away = False
    assert site.look(after=60) == []
    assert site.look(A) == []


def test_what_redis_lost_is_put_back_without_a_word(site: Site):
    site.look(A)
    site.queues.add([vacated(A, told=False)])
    assert site.look(A) == [] and site.queues.occupied() == {A}
    site.look()
    assert site.look(after=VACATED_AFTER) == [vacated(A).text]


def test_what_another_leader_told_meanwhile_is_not_told_again(site: Site):
    site.look(A)
    site.queues.add([occupied(B, told=False)])
    assert site.look(A, B) == []


def test_only_what_was_asked_for_is_told(site: Site):
    site.occupancy = site.leader(WebhookEvent.CHANNEL_VACATED)
    assert site.look(A) == []
    site.look()
    assert site.look(after=VACATED_AFTER) == [vacated(A).text]
