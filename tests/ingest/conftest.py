"""Ingesting workers on a real Redis: who publishes, who leads, what arrives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from mechamap.broker.connection import command_client
from mechamap.broker.leadership import Alone, LeasedLeadership
from mechamap.broker.protocol import Published
from mechamap.domain.publication import Publication, Receipt
from mechamap.ingest.ingester import Ingester, Source
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

PREFIX = "laravel_database_"
LEASE, MARGIN = 1.5, 0.5
"""Seconds instead of six and two, so that a test sees a lease end."""


@dataclass
class Worker:
    """An ingester, and what it published. ``answer`` decides what the broker says of a series."""

    ingester: Ingester
    published: list[Publication] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    answer: Callable[[list[Publication]], Published] | None = None

    @property
    def events(self) -> list[str]:
        return [publication.event for publication in self.published]

    def publish(self, publications: list[Publication]) -> Published:
        self.series.append(len(publications))
        answer = (
            self.answer(publications)
            if self.answer is not None
            else Published(tuple(Receipt(each.id, {}) for each in publications))
        )
        self.published.extend(publications[: len(answer.receipts)])
        return answer

    def ingested(self, code: str, count: int = 1) -> None:
        self.codes.extend([code] * count)

    def heard(self, *events: str) -> None:
        wait_until(lambda: len(self.published) >= len(events), f"{events}; got {self.events}", 3)
        assert self.events == list(events)

    def hears(self) -> None:
        wait_until(lambda: self.ingester.state().leader and self.ingester.state().ok, "it to listen", 5)


Hire = Callable[..., Worker]


@pytest.fixture
def hire(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hire]:
    """Start another ingesting worker. ``leased=False``: one that joins no others."""
    monkeypatch.setattr("mechamap.ingest.subscription.TICK", 0.05)  # what each takes to stop
    numbers, hired = count(1), []

    def start(
        *, leased: bool = True, url: str | None = None, prefix: str = PREFIX, max_bytes: int = 100_000,
        own: bytes = b"mechamap:{rt}:",
    ) -> Worker:  # fmt: skip
        leadership = Alone()
        if leased:
            client = command_client(redis_server.url)
            leadership = LeasedLeadership(client, "lease", f"w{next(numbers)}", LEASE, MARGIN)
        worker: Worker = None
        source = Source(url or redis_server.url, prefix, own, max_bytes)
        ingester = Ingester(
            source,
            leadership,
            lambda series: worker.publish(series),
            type("Meter", (), {"ingested": lambda self, code, count=1: worker.ingested(code, count)})(),
            lambda name: worker.lost.append(name),
        )
        worker = Worker(ingester)
        hired.append(worker)
        ingester.start()
        return worker

    yield start
    if redis_server.running:
        redis_server.resume()
    for worker in hired:
        worker.ingester.stop()
        assert worker.lost == []


@pytest.fixture
def laravel(redis_server: RedisServer) -> Callable[..., int]:
    """PUBLISH as Laravel's driver does; answers how many connections heard it."""
    client = redis_server.client(decode_responses=False)

    def publish(event: str, channel: str = "public.news", *, data: str = "1", prefix: str = PREFIX) -> int:
        text = f'{{"event":"{event}","data":{data},"socket":null}}'
        return client.publish(prefix + channel, text)

    return publish
