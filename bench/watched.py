"""This server with two gauges beside it, for `gc` and the soak: `/bench/held` and `/bench/pauses`."""

import gc
import time

import gevent

from wsgi import app

_began = 0.0
_pauses: list[float] = []


def _collected(phase: str, info: dict[str, int]) -> None:
    global _began
    if phase == "start":
        _began = time.perf_counter()
    else:
        _pauses.append(time.perf_counter() - _began)


gc.callbacks.append(_collected)


@app.get("/bench/pauses")
def pauses() -> dict[str, float]:
    """Garbage collections since the last call: how many, and the longest in milliseconds."""
    found, _pauses[:] = _pauses[:], []
    return {"count": len(found), "longest_ms": max(found, default=0.0) * 1000}


@app.get("/bench/held")
def held() -> dict[str, int]:
    """Living greenlets, and how many dead objects only this look could free: the worker's collector freezes
    what is alive when it runs, and frozen cycles wait until there are 200,000 of them."""
    gc.unfreeze()
    greenlets = sum(isinstance(each, gevent.Greenlet) and not each.dead for each in gc.get_objects())
    garbage = gc.collect()  # the worker's collector freezes what is left
    return {"greenlets": greenlets, "garbage": garbage}
