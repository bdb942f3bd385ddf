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
    metrics.request("broadcast.batch", 200)
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
    metrics.request("broadcast.broadcast", 500)
    metrics.request("broadcast.broadcast", 200)
    metrics.late(0.3)
    metrics.late(0.01)
    tally = metrics.take()
    assert (tally.events, tally.deliveries, tally.errors, tally.stall) == (3, 7, 1, 0.3)
    assert tally.codes == {"publication": {"accepted": 3, "key_scope": 1}, "subscription": {"allowed": 1}}
    assert metrics.take() == Tally()
    assert "realtime_publications_total" in text_of(metrics)


def test_another_process_sees_what_was_written_down(tmp_path):
    count = textwrap.dedent("""
        from mechamap.domain.statistics import Load
        from mechamap.metrics import Metrics
        metrics = Metrics()
        metrics.publication("accepted", 3)
        metrics.sample(Load(1, 2, slow=3, backlog=5, largest=4, memory=6, broker=True))
    """)
    environment = {**clean_environment(), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", count], cwd=ROOT, env=environment, check=True)
    show = "from mechamap.metrics import Metrics; print(Metrics().render()[0].decode())"
    shown = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert 'realtime_publications_total{code="accepted"} 3.0' in shown
