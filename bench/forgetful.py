"""This server without channel logs, positions and sessions, to measure what they cost."""

from mechamap.broker.recent import RecentEvents
from mechamap.domain.history import Position
from mechamap.hub.catching_up import CatchingUp
from mechamap.hub.recovery import Recovery


def _nothing(*args: object, **named: object) -> None:
    """Takes the place of what is left out."""


RecentEvents.append = _nothing  # events keep epoch None, so no position travels behind them
RecentEvents.position = Position("", 0)
Recovery.begin = Recovery.joined = Recovery.left = Recovery.ended = Recovery.confirm = _nothing
CatchingUp.on_publication = lambda self, publication: ()

from wsgi import app  # noqa: E402, F401  (built after the patches)
