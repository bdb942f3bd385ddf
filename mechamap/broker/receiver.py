"""From the bytes of Redis to ``Delivery``: whatever is not a valid message in its right place ends here.

Live messages and those read from logs take the same way, so that they are judged and counted alike.
"""

import logging
import time

from .delivery import Delivery
from .envelope import Malformed, decode_command, decode_publication
from .progress import Progress
from .stamp import split

log = logging.getLogger(__name__)

COMMANDS = "commands"
"""The log of commands. Names of channels hold a colon, so none is called so."""


class Receiver:
    """Belongs to the listener's thread. Never raises."""

    def __init__(self, delivery: Delivery, progress: Progress, prefix: str) -> None:
        self._delivery = delivery
        self._progress = progress
        self._commands = f"{prefix}:{COMMANDS}".encode()
        self._channels = f"{prefix}:channel:".encode()
        self._last: bytes | None = None
        self.malformed = 0
        self._told = 0
        self._told_at = 0.0

    def live(self, channel: bytes, message: bytes) -> None:
        """A message came in on that pub/sub channel."""
        if message == self._last:  # the copy for another channel: not worth decoding up to a hundred times
            self._delivery.duplicates += 1
            return
        stamped = split(message)
        if stamped is None:
            self._drop("a message without its place in the sequence")
            return
        epoch, offset, body = stamped
        if self._progress.covers(epoch, offset):  # was on its way while the logs were read
            return
        name = (
            COMMANDS if channel == self._commands else channel[len(self._channels) :].decode(errors="replace")
        )
        if self.take(name, epoch, offset, body):
            self._last = message

    def take(self, name: str, epoch: str, offset: int, body: bytes) -> bool:
        """Deliver what stands in the log ``name`` under that number; False if it had to be dropped."""
        try:
            if name == COMMANDS:
                command = decode_command(body)
                self._progress.heard(epoch, offset, name, command.id)
                self._delivery.command(command)
                return True
            publication = decode_publication(body, epoch, offset)
            if name not in publication.rooms:
                raise Malformed("a publication on a channel that it does not name")
        except Malformed as err:
            self._drop(str(err))
            return False
        self._progress.heard(epoch, offset, name, publication.id)
        self._delivery.publication(publication)
        return True

    def _drop(self, why: str) -> None:
        self.malformed += 1
        now = time.monotonic()
        if now - self._told_at >= 1.0:
            log.warning("broker_message_dropped", extra={"why": why, "dropped": self.malformed - self._told})
            self._told, self._told_at = self.malformed, now
