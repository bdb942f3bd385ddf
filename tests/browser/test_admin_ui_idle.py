"""What the admin UI's namespace costs while nobody is there: nothing, at broadcasts or beside them."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from mechamap.admin import ui_namespace
from mechamap.admin.ui_namespace import AdminNamespace
from mechamap.hub.tap import LEASE
from tests.services.processes import wait_until

from .inside import Here, application
from .place import Seeded

NEWS = {"channel": "public.news", "event": "x", "data": {}}


@pytest.fixture
def here(seeded: Seeded, tmp_path) -> Iterator[Here]:
    with application(seeded, tmp_path) as running:
        yield running


@pytest.fixture
def asked(here, monkeypatch) -> list[str]:
    """The questions to workers."""
    asked, ask = [], here.services.inquiries.ask

    def noting(kind: str, *args: Any, **options: Any) -> Any:
        asked.append(kind)
        return ask(kind, *args, **options)

    monkeypatch.setattr(here.services.inquiries, "ask", noting)
    return asked


def test_workers_are_asked_and_broadcasts_noted_only_while_an_admin_is_there(
    here, seeded, asked, monkeypatch
):
    monkeypatch.setattr(ui_namespace, "ROUND", 0.01)
    tap = here.services.runtime.hub.journal.tap
    noted, note = [], tap.note
    monkeypatch.setattr(tap, "note", lambda kind, **about: noted.append(kind) or note(kind, **about))
    namespace = AdminNamespace(here.services)
    namespace.register()
    here.services.operations.publish(NEWS, "test")
    assert (namespace._running, tap.on, asked, noted) == (None, False, [], [])

    who = {"username": seeded.login, "password": seeded.password}
    namespace.on_connect("1.a", {"REMOTE_ADDR": "127.0.0.1"}, who)
    wait_until(lambda: tap.on and namespace._filled, "the workers to be asked")
    here.services.operations.publish(NEWS, "test")
    assert noted

    namespace.on_disconnect("1.a", "client_disconnect")
    wait_until(lambda: namespace._running is None, "the rounds to end")
    monkeypatch.setattr(tap, "_clock", lambda: time.time() + LEASE + 1)
    here.services.operations.publish(NEWS, "test")  # finds that the lease is over
    asked.clear(), noted.clear()
    here.services.operations.publish(NEWS, "test")
    assert (tap.on, asked, noted) == (False, [], [])
