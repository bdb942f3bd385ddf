"""docs/API.md names every code of Pusher's HTTP API and of its apps."""

import re
from pathlib import Path

from mechamap.api import pusher_calls, pusher_gate
from mechamap.auth import pusher as registry
from mechamap.domain import pusher_signature
from mechamap.ingest import pusher as bodies
from mechamap.store import apps
from tests.services.processes import ROOT

API = (ROOT / "docs" / "API.md").read_text()


def test_every_code_is_named():
    codes = set()
    for module in (pusher_signature, registry, bodies, pusher_calls, pusher_gate, apps):
        codes |= set(re.findall(r'code="([a-z_]+)"', Path(module.__file__).read_text()))
    assert {"signature_expired", "app_disabled", "app_taken"} <= codes
    assert {
        code for code in codes if f"`{code}`" not in API and f"`{code.split('_')[0]}_…`" not in API
    } == set()
