"""The outbox: what waits for the next poll of one client, bounded in packets and in bytes.

python-engineio 4.15.1 queues without a limit, so one client that stops reading holds everything sent to it.
Here `put` says no, and the session closes the client. Bytes count until they are handed to the kernel, not
until they are taken from the queue.
"""

from collections import deque
from typing import Protocol

from gevent.event import Event


class Sized(Protocol):
    """A packet that knows how many bytes it costs on the wire."""

    size: int


class Outbox:
    """First in, first out; `put` never blocks or yields, so marking a whole room is atomic."""

    __slots__ = ("_packets", "_ready", "bytes", "closed", "max_bytes", "max_packets")

    def __init__(self, max_packets: int, max_bytes: int) -> None:
        self.max_packets = max_packets
        self.max_bytes = max_bytes
        self.bytes = 0
        self.closed = False
        self._packets: deque[Sized] = deque()
        self._ready = Event()

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, packet: Sized) -> bool:
        """Queue a packet; False when closed or when a limit would be passed."""
        if self.closed or len(self._packets) >= self.max_packets or self.bytes + packet.size > self.max_bytes:
            return False
        self.bytes += packet.size
        self._packets.append(packet)
        self._ready.set()
        return True

    def wait(self) -> None:
        """Block until there is something to take, the outbox is closed, or somebody calls `wake`."""
        self._ready.wait()

    def wake(self) -> None:
        self._ready.set()

    def take(self) -> list[Sized]:
        """Everything queued, oldest first; its bytes count until `sent` is told."""
        packets = list(self._packets)
        self._packets.clear()
        if not self.closed:
            self._ready.clear()
        return packets

    def sent(self, packets: list[Sized]) -> None:
        self.bytes -= sum(packet.size for packet in packets)

    def close(self) -> None:
        """Take no more; what is queued can still be taken."""
        self.closed = True
        self._ready.set()

    def discard(self) -> None:
        """Forget what is queued."""
        self.sent(self.take())
