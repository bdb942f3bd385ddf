"""How far one worker has come in the sequence: what it has heard, and since when it follows each channel."""

from collections.abc import Iterable

from ..domain.history import Position
from .sequence import Witness


class Progress:
    """``heard`` and ``reached`` are called by the listener's thread only, the others from anywhere."""

    def __init__(self) -> None:
        self._epoch = ""
        self._offset = 0
        self._covered = Position("", 0)
        self._witness = (0, "", "")
        self._places: dict[str, int] = {}

    @property
    def position(self) -> Position:
        """Everything up to here was heard, of channels that were followed. No epoch: nothing is known yet."""
        return Position(self._epoch, self._offset)

    @property
    def witness(self) -> Witness:
        """The last message heard in this epoch."""
        return Witness(*self._witness)

    def covers(self, epoch: str, offset: int) -> bool:
        """Whether a live message was dealt with when the worker last caught up.

        Only Redis's own answer decides that: a number in a message may be forged, and one too high must not
        silence what follows.
        """
        covered = self._covered
        return offset <= covered.offset and epoch == covered.epoch

    def heard(self, epoch: str, offset: int, name: str, id: str) -> None:
        """A message was received, in the order of the sequence."""
        if epoch != self._epoch:
            self._begin(epoch)
        self._offset = offset
        self._witness = (offset, name, id)

    def reached(self, position: Position) -> None:
        """Nothing up to ``position`` is missing any more."""
        if position.epoch != self._epoch:
            self._begin(position.epoch)
        self._offset = position.offset
        self._covered = position

    def place(self, names: Iterable[str], position: Position) -> None:
        """These channels are followed, from ``position`` at the latest."""
        offset = position.offset if position.epoch == self._epoch else 0
        for name in names:
            self._places[name] = offset

    def leave(self, names: Iterable[str]) -> None:
        """These channels are no longer followed."""
        for name in names:
            self._places.pop(name, None)

    def followed(self) -> dict[str, int]:
        """Every channel with the number after which this worker wants its messages and has not heard them."""
        return {name: max(place, self._offset) for name, place in list(self._places.items())}

    def position_of(self, name: str) -> Position:
        """Up to where this worker has, or will never have, the messages of a followed channel."""
        return Position(self._epoch, max(self._places.get(name, 0), self._offset))

    def _begin(self, epoch: str) -> None:
        self._epoch = epoch
        self._witness = (0, "", "")
        for name in list(self._places):
            self._places[name] = 0
