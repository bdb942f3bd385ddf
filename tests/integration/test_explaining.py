"""What became of an event on several workers, and what happens there now: asked from another process, as the
command line does."""

import logging
import os
import signal

import pytest

from mechamap import create_app
from mechamap.hub.event_search import Wanted
from mechamap.hub.tap import Filter
from mechamap.hub.watching import new_console
from mechamap.settings import load
from tests.services.processes import clean_environment, wait_until

from .conftest import Site
from .test_cluster import cluster, on_both_workers

__all__ = ["cluster"]


@pytest.fixture
def services(cluster: Site):
    """The parts of a process beside the server's workers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(load(clean_environment(**cluster.server.settings)))
    root.handlers[:], root.level = handlers, level
    found = app.extensions["mechamap"]
    yield found
    found.databases.close()


def test_all_workers_are_asked_and_a_silent_one_is_named(cluster, services):
    wait_until(lambda: len(services.operations.workers()) == 2, "both workers")
    console, records = new_console(), []
    seen = services.watching.see(console, Filter(), {})
    browsers = on_both_workers(cluster)
    sent = cluster.broadcast("private-user.2", "told").json()

    told = services.explaining.delivery(2, Wanted(sent["id"]))
    assert (told.outcome, told.unknown) == ("written", ())
    assert {at.trace.sid for at in told.connections} == {browser.id for browser in browsers}
    assert {at.slot for at in told.connections} == {0, 1}
    assert [worker.traced.heard for worker in told.workers] == [{"user:2": True}] * 2

    while not any(record["kind"] == "event" for record in records):
        seen = services.watching.see(console, Filter(), seen.cursors)
        records += seen.records
    assert {record["worker"] for record in records if record["kind"] == "connect"} == set(seen.cursors)
    assert [record["id"] for record in records if record["kind"] == "event"] == [sent["id"]]

    stopped = cluster.server.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        told = services.explaining.delivery(2, Wanted(sent["id"]))
        seen = services.watching.see(console, Filter(), seen.cursors)
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert told.outcome == "written"
    assert len(told.unknown) == 1 and "did not answer" in told.unknown[0]
    assert len({at.slot for at in told.connections}) == 1
    assert len(seen.silent) == 1
    assert len(seen.cursors) == 2
