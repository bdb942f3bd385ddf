"""What processes cost, out of /proc: processor time, memory, descriptors."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu(pids: Iterable[int]) -> float:
    """Seconds of user and system time so far, to 10 ms."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def pss(pids: Iterable[int]) -> int:
    """Proportional set size in KB: what is shared is counted once. Kernel socket buffers are not in it."""
    return sum(_field(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def rss(pids: Iterable[int]) -> int:
    """Resident set size in KB."""
    return sum(_field(f"/proc/{pid}/status", "VmRSS:") for pid in pids)


def descriptors(pids: Iterable[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def _field(path: str, name: str) -> int:
    return int(Path(path).read_text().partition(name)[2].split()[0])
