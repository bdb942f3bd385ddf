"""Prometheus metrics, summed over the workers of this machine.

With ``PROMETHEUS_MULTIPROC_DIR`` set (gunicorn.conf.py does it before any worker starts) values live in files
per process and ``render`` adds them up, those of other workers at most a second old; a dead worker's gauges
go when the arbiter marks it dead.
"""

from ..domain.statistics import LAG_BOUNDS as BUCKETS
from .metrics import Metrics

__all__ = ["BUCKETS", "Metrics"]
