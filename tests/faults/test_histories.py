"""The promise of docs/RELIABILITY.md under every fault, in short; ``bench/faults.py`` is the long version.

A run that fails prints its seed and the lines of the histories that show it.
"""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from .checker import check
from .device_checker import check_devices
from .devices import DeviceTrial
from .scenarios import SCENARIOS, Scenario, device_sync
from .trial import Cluster, Scale, Trial, cluster

SHORT = Scale()
STORM = replace(SHORT, cheap=60, rate=8.0)


@pytest.fixture(scope="module")
def place(serve_module, tmp_path_factory) -> Iterator[Cluster]:
    with cluster(serve_module, tmp_path_factory.mktemp("laravel")) as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_twice_or_out_of_order(place, node_client, scenario: Scenario):
    seed = secrets.token_hex(4)
    place.whole()
    scale = STORM if scenario.name == "reconnect_storm" else SHORT
    with Trial(place, node_client, seed, scale) as trial:
        scenario.act(trial)
    violations, figures = check(trial.history, lossless=scenario.lossless), trial.history.figures()
    report = "\n".join(map(str, violations))
    assert not violations, f"seed {seed}, {figures}\n{report}"
    assert figures["accepted"] > 20, figures
    assert figures["received"] > figures["accepted"], figures
    assert figures["returns"] > 0, figures


def test_a_users_devices_end_with_one_count_and_see_none_go_back(place, node_client):
    seed = secrets.token_hex(4)
    place.whole()
    with DeviceTrial(place, node_client, seed) as trial:
        device_sync(trial)
    violations, figures = check_devices(trial.devices), trial.devices.figures()
    report = "\n".join(map(str, violations))
    assert not violations, f"seed {seed}, {figures}\n{report}"
    assert figures["accepted"] > 20, figures
    assert figures["received"] > figures["accepted"], figures
    assert figures["returns"] > 0, figures
