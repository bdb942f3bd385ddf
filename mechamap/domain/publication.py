"""One accepted event on its way from a publisher to browsers, and the receipt the publisher gets."""

import os
import time
from dataclasses import dataclass, field

from .channels import Channel
from .idempotency import Once


def new_id() -> str:
    """An id for a publication: 128 random bits in hex."""
    return os.urandom(16).hex()


@dataclass(frozen=True, slots=True)
class Publication:
    """An event that passed every check.

    Attributes:
        channels: where it goes; a browser in several of them receives it once.
        event: the name the browser listens to.
        payload: the event's one argument as JSON text, written by ``domain.payloads`` or as strictly.
        except_id: the public Socket.IO id that must not receive it (its sender), or None.
        origin: who published it, for the console: ``key:laravel``, ``server``, ``cli``, …; never a secret.
        id: unique; travels to the console and the receipt.
        accepted_at: Unix seconds; the latency of delivery is measured against it.
        epoch, offset: its place in the broker's sequence, set by the broker that delivers it; None and 0
            until then. They do not count when publications are compared.
        rooms: the canonical names of its channels.
        once: what to remember it by, if its publisher named it; for the broker that accepts it, and no part
            of what workers are told.
        withheld: channels that its publisher named and that do not get it (``domain.privacy``); likewise.
    """

    channels: tuple[Channel, ...]
    event: str
    payload: bytes
    except_id: str | None = None
    origin: str = "server"
    id: str = field(default_factory=new_id)
    accepted_at: float = field(default_factory=time.time)
    epoch: str | None = field(default=None, compare=False)
    offset: int = field(default=0, compare=False)
    once: Once | None = field(default=None, compare=False)
    withheld: tuple[Channel, ...] = field(default=(), compare=False)
    rooms: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rooms", tuple([channel.canonical for channel in self.channels]))

    def place(self, epoch: str, offset: int) -> None:
        """For the broker that accepts it, once: where it stands. A copy would cost more than all the rest of
        accepting does."""
        object.__setattr__(self, "epoch", epoch)
        object.__setattr__(self, "offset", offset)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a publisher is told.

    Attributes:
        id: the publication's.
        subscribers: subscribed connections per canonical channel, cluster-wide, at the moment of publication.
        epoch, offset: the publication's place in the broker's sequence, the same in all its channels.
        duplicate: it had been accepted before, under the same name of its publisher; all the rest is what
            was told then, without ``subscribers`` if its channels may have been others.
    """

    id: str
    subscribers: dict[str, int]
    epoch: str = ""
    offset: int = 0
    duplicate: bool = False

    @property
    def total(self) -> int:
        return sum(self.subscribers.values())
