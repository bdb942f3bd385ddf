"""What waits for one connection, in each of its states: nothing (None), one frame (bytes), a run of frames
(`Run`), or what becomes of it when the peer stops taking (`Stalled`) or has left (`GONE`).

One value tells the state, so a broadcast looks at a single attribute per recipient. Waiting frames are values
that are never changed: a thousand connections that wait for the same frames share one run, and its bytes are
joined once for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .clock import Deadline


class Run:
    """Two or more frames, in order."""

    __slots__ = ("_data", "_frames", "count", "size")

    def __init__(self, frames: list[bytes], count: int, size: int) -> None:
        """The first `count` of `frames`, a list that longer runs with the same beginning share."""
        self._frames = frames
        self._data: bytes | None = None
        self.count = count
        self.size = size

    def then(self, frame: bytes) -> Run:
        """This run and one frame more."""
        frames = self._frames
        if len(frames) != self.count:  # another run goes on differently from here
            frames = frames[: self.count]
        frames.append(frame)
        return Run(frames, self.count + 1, self.size + len(frame))

    @property
    def data(self) -> bytes:
        """All of it, for one system call."""
        if self._data is None:
            self._data = b"".join(self._frames[: self.count])
        return self._data


class Stalled:
    """What a peer has not taken yet: the rest of a partial write, then the frames behind it."""

    __slots__ = ("deadline", "frames", "progress", "rest", "size", "watcher")

    def __init__(self, rest: memoryview, watcher: object, progress: float) -> None:
        self.rest = rest
        self.frames: list[bytes] = []
        self.size = len(rest)
        self.watcher = watcher
        self.progress = progress  # when the peer last took something
        self.deadline: Deadline | None = None

    @property
    def count(self) -> int:
        return len(self.frames) + 1

    def add(self, frame: bytes, most: int) -> bool:
        """Queue it behind the others, unless `most` wait already."""
        if len(self.frames) >= most:
            return False
        self.frames.append(frame)
        self.size += len(frame)
        return True

    def discard(self) -> None:
        """Forget the frames that have not begun."""
        self.frames.clear()
        self.size = len(self.rest)


class Gone:
    """The end: the connection is closed, or its farewell is written. Nothing waits and nothing is taken."""

    __slots__ = ()
    count = 0
    size = 0


GONE: Final = Gone()

Pending = bytes | Run | Stalled | Gone | None


def size_of(pending: Pending) -> int:
    """Bytes that wait."""
    return 0 if pending is None else len(pending) if type(pending) is bytes else pending.size


def count_of(pending: Pending) -> int:
    """Frames that wait; the rest of a partial write counts as one."""
    return 0 if pending is None else 1 if type(pending) is bytes else pending.count


def followed(pending: bytes | Run, frame: bytes) -> Run:
    """What waits, and one frame more."""
    if type(pending) is bytes:
        return Run([pending, frame], 2, len(pending) + len(frame))
    return pending.then(frame)
