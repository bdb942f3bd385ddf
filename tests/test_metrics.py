"""What is counted reaches Prometheus, as the library itself would have counted it."""

import subprocess
import sys
import textwrap
import time

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from mechamap.domain.statistics import Tally
from mechamap.metrics import BUCKETS, Metrics
from tests.services.processes import ROOT, clean_environment


def text_of(metrics: Metrics) -> str:
    return metrics.render()[0].decode()


def test_counts_appear_when_they_are_asked_for_and_are_not_counted_twice():
    metrics = Metrics()
    metrics.publication("accepted", 49)
    metrics.publication("accepted")
    metrics.publication("key_scope")
    metrics.subscription("user", "allowed")
    metrics.limits_failed()
    metrics.request("broadcast.batch", 200, 0.25)
    for _ in range(2):
        text = text_of(metrics)
        assert 'realtime_publications_total{code="accepted"} 50.0' in text
        assert 'realtime_publications_total{code="key_scope"} 1.0' in text
        assert 'realtime_subscription_decisions_total{code="allowed",kind="user"} 1.0' in text
        assert "realtime_rate_limit_failures_total 1.0" in text
        assert 'realtime_http_requests_total{endpoint="broadcast.batch",status="200"} 1.0' in text


def test_lags_are_counted_as_the_librarys_histogram_counts_them():
    metrics, registry = Metrics(), CollectorRegistry()
    theirs = Histogram("realtime_delivery_lag_seconds", "x", registry=registry, buckets=BUCKETS)
    for seconds in (0.0, *BUCKETS, 0.0004, 0.0006, 0.3, 7.0):
        metrics.delivery(2, seconds)
        theirs.observe(seconds)
    metrics.delivery(0, 1.0)  # nobody received it: no lag
    expected = [line for line in generate_latest(registry).decode().splitlines() if line[0] != "#"]
    assert [
        line for line in text_of(metrics).splitlines() if line.startswith("realtime_delivery_lag")
    ] == expected
    assert f"realtime_deliveries_total {2.0 * (len(BUCKETS) + 5)}" in text_of(metrics)


def test_what_is_written_later_counts_when_it_is_written_and_the_rest_when_it_was_queued():
    metrics = Metrics()
    metrics.delivery(2, 0.003)
    metrics.deferred()
    metrics.delivery(2_000, 0.003)
    metrics.delivery(2, 0.003)
    text = text_of(metrics)
    assert "realtime_delivery_lag_seconds_count 3.0" in text
    assert "realtime_write_lag_seconds_count 2.0" in text
    metrics.written(time.time() - 0.3)
    text = text_of(metrics)
    assert "realtime_delivery_lag_seconds_count 3.0" in text
    assert 'realtime_write_lag_seconds_bucket{le="0.25"} 2.0' in text
    assert 'realtime_write_lag_seconds_bucket{le="0.5"} 3.0' in text
    assert metrics.take().lags == (0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)
    assert metrics.take() == Tally()


def test_a_tally_has_what_was_counted_since_the_last_one():
    metrics = Metrics()
    metrics.publication("accepted", 3)
    metrics.publication("key_scope")
    metrics.subscription("user", "allowed")
    metrics.delivery(7, 0.1)
    metrics.request("broadcast.broadcast", 500, 0.1)
    metrics.request("broadcast.broadcast", 200, 0.1)
    metrics.late(0.3)
    metrics.late(0.01)
    tally = metrics.take()
    assert (tally.events, tally.deliveries, tally.errors, tally.stall) == (3, 7, 1, 0.3)
    assert tally.codes == {"publication": {"accepted": 3, "key_scope": 1}, "subscription": {"allowed": 1}}
    assert metrics.take() == Tally()
    assert "realtime_publications_total" in text_of(metrics)


def test_another_process_sees_what_was_written_down(tmp_path):
    count = textwrap.dedent("""
        from mechamap.metrics import Metrics
        metrics = Metrics()
        metrics.publication("accepted", 3)
        metrics.sample(connections=1, subscriptions=2, broker_up=True)
    """)
    environment = {**clean_environment(), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", count], cwd=ROOT, env=environment, check=True)
    show = "from mechamap.metrics import Metrics; print(Metrics().render()[0].decode())"
    shown = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert 'realtime_publications_total{code="accepted"} 3.0' in shown


def test_the_former_names_have_the_values_of_ours():
    metrics = Metrics()
    for code, count in (("accepted", 5), ("token_expired", 2), ("user_banned", 1), ("server_full", 4)):
        for _ in range(count):
            metrics.connection(code)
    metrics.request("health.live", 200, 0.25)
    metrics.request("broadcast.batch", 422, 0.75)
    metrics.sample(connections=4, subscriptions=9, broker_up=True)
    lines = text_of(metrics).splitlines()
    for line in (
        "websocket_connections_total 5.0",
        "websocket_connections_active 4.0",
        "websocket_connections_peak 4.0",
        'auth_attempts_total{result="success"} 5.0',
        'auth_attempts_total{result="failure"} 3.0',
        "http_requests_total 2.0",
        "http_request_duration_ms 500.0",
        "realtime_http_request_seconds_total 1.0",
    ):
        assert lines.count(line) == 1, line
    metrics.sample(connections=1, subscriptions=0, broker_up=True)
    lines = text_of(metrics).splitlines()
    assert "websocket_connections_active 1.0" in lines
    assert lines.count("websocket_connections_peak 4.0") == 1
    assert metrics.figures().peak == 4


def test_before_anything_happened_the_former_names_are_zero():
    lines = text_of(Metrics()).splitlines()
    assert {"websocket_connections_total 0.0", "http_request_duration_ms 0.0"} <= set(lines)


def test_the_peak_is_of_all_processes_together(tmp_path):
    environment = {**clean_environment(), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(*lines: str) -> str:
        script = "\n".join(["from mechamap.metrics import Metrics", "m = Metrics()", *lines])
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    ends = "import os; os._exit(0)"  # killed: nothing is tidied up
    run("m.sample(connections=3, subscriptions=0, broker_up=True)", ends)
    shown = run("m.sample(connections=2, subscriptions=0, broker_up=True)", "print(m.render()[0].decode())")
    assert "websocket_connections_active 5.0" in shown
    assert "websocket_connections_peak 5.0" in shown
    for live in tmp_path.glob("gauge_live*"):
        live.unlink()  # as the arbiter does for the dead
    shown = run("print(m.render()[0].decode())")
    assert "websocket_connections_active 0.0" in shown
    assert "websocket_connections_peak 5.0" in shown
