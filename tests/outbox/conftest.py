"""Relays on real tables and a real Redis: who publishes, what arrives, what stays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, text

from mechamap.broker.connection import command_client
from mechamap.broker.leadership import Alone, LeasedLeadership
from mechamap.broker.protocol import Published
from mechamap.domain.channels import parse_channel
from mechamap.domain.publication import Publication, Receipt
from mechamap.outbox.backlog import Backlog
from mechamap.outbox.pace import Pace
from mechamap.outbox.relay import Relay
from mechamap.store.laravel.outbox import OutboxRows
from mechamap.store.laravel.outbox_sql import outbox_sql
from tests.services.processes import wait_until
from tests.services.redis import RedisServer
from tests.store.site import Serving, Site, server_for, site

__all__ = ["server_for", "site"]

LEASE, MARGIN = 1.5, 0.5
"""Seconds instead of six and two, so that a test sees a lease end."""


class Laravel:
    """A site's database with an outbox, and the server's view of it."""

    def __init__(self, site: Site, rows: OutboxRows) -> None:
        self.site = site
        self.rows = rows

    def write(
        self, event: str, channels: str = "public.news", *, data: str = "1", on: Connection | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        """A row, committed at once, or in the transaction of ``on``."""
        row = {"event": event, "channels": channels, "data": data, **more}
        if on is None:
            self.site.add("rt_outbox", **row)
        else:
            names = ", ".join(row)
            on.execute(text(f"INSERT INTO rt_outbox ({names}) VALUES (:{', :'.join(row)})"), row)

    def left(self) -> list[tuple[str, str]]:
        """(event, state) of every row there is."""
        return [tuple(row) for row in self.site.execute("SELECT event, state FROM rt_outbox ORDER BY id")]

    def dead(self) -> dict[str, str]:
        """Event → code of the dead letters."""
        return {letter.event: letter.code for letter in self.rows.dead(1000)}

    def emptied(self) -> None:
        wait_until(lambda: self.left() == [], "the outbox to be empty", 5)


def prepare(site: Site, server_for: Serving, *, in_turn: bool = False) -> Laravel:
    for statement in outbox_sql(site.engine.dialect.name, in_turn=in_turn).split(";\n"):
        if statement.strip():
            site.execute(statement)
    return Laravel(site, OutboxRows(server_for(site.url, migrate=False).databases.laravel))


@pytest.fixture
def laravel(site: Site, server_for: Serving) -> Laravel:
    return prepare(site, server_for)


Answer = Callable[[list[Publication]], Published]


@dataclass
class Worker:
    """A relay, and what it published. ``answer`` decides what the broker says of a series."""

    relay: Relay
    published: list[Publication] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def events(self) -> list[str]:
        return [publication.event for publication in self.published]

    def publish(self, publications: list[Publication]) -> Published:
        self.series.append(len(publications))
        answer = accepted(publications) if self.answer is None else self.answer(publications)
        self.published.extend(publications[: len(answer.receipts)])
        return answer

    def relayed(self, code: str, count: int = 1) -> None:
        self.codes.extend([code] * count)

    def sent(self, *events: str) -> None:
        wait_until(lambda: len(self.published) >= len(events), f"{events}; got {self.events}", 5)
        assert self.events == list(events)

    def leads(self) -> None:
        wait_until(lambda: self.relay.state().leader, "it to lead", 5)


def accepted(publications: list[Publication]) -> Published:
    return Published(tuple(Receipt(each.id, {}) for each in publications))


Hire = Callable[..., Worker]


@pytest.fixture
def hire(request: pytest.FixtureRequest, laravel: Laravel) -> Iterator[Hire]:
    """Start another worker. ``leased``: one of several, that compete in Redis."""
    numbers, hired = count(1), []

    def start(
        *, leased: bool = False, max_bytes: int = 100_000, busy: float = 0.02,
        answer: Answer | None = None,
    ) -> Worker:  # fmt: skip
        leadership = Alone()
        if leased:
            redis_server: RedisServer = request.getfixturevalue("redis_server")
            client = command_client(redis_server.url)
            leadership = LeasedLeadership(client, "lease", f"w{next(numbers)}", LEASE, MARGIN)
        worker: Worker = None
        backlog = Backlog(
            laravel.rows,
            lambda series: worker.publish(series),
            type("Meter", (), {"relayed": lambda self, code, count=1: worker.relayed(code, count)})(),
            max_bytes=max_bytes,
            parse=parse_channel,
        )
        pace = Pace(busy, max(busy, 0.1))
        relay = Relay(backlog, leadership, pace, lambda name: worker.lost.append(name))
        worker = Worker(relay, answer=answer)
        hired.append(worker)
        relay.start()
        return worker

    yield start
    for worker in hired:
        worker.relay.stop()
        assert worker.lost == []
