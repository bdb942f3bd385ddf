"""The engine's test application, with a look at what only the garbage collector could free."""

import gc
from collections import Counter

from tests.engine.application import app


@app.post("/garbage")
def garbage():
    """What is garbage now, by type; from the first call on nothing is collected in between."""
    gc.disable()
    gc.unfreeze()  # the worker's collector froze what was alive when it ran
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(type(each).__name__ for each in gc.garbage)
    gc.garbage.clear()
    gc.unfreeze()
    gc.collect()  # now it is really gone
    return dict(found)
