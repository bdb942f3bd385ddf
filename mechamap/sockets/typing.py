"""Events by which pages say that somebody types: of channels, and of groups."""

from collections.abc import Callable, Mapping
from functools import partial

from mechamap.domain.channels import Channel
from mechamap.domain.moments import now_iso
from mechamap.domain.typing import OF_CHANNELS, OF_GROUPS, Words
from mechamap.edge.limits import RateLimits
from mechamap.hub.typing import Typing

from .aliases import Read, as_it_is, of_group
from .answers import Answer
from .payloads import channel_of

Say = Callable[[str, object, Words, Callable[[], None]], Channel]


class TypingEvents:
    """The handlers; each returns its acknowledgement, or raises."""

    def __init__(self, typing: Typing, limits: RateLimits) -> None:
        self._typing = typing
        self._limits = limits

    def handlers(self) -> Mapping[str, Callable[[str, tuple[object, ...]], Answer]]:
        start, stop = self._typing.start, self._typing.stop
        return {
            "typing_start": partial(self._on, start, OF_CHANNELS, as_it_is),
            "typing_stop": partial(self._on, stop, OF_CHANNELS, as_it_is),
            "group_typing_start": partial(self._on, start, OF_GROUPS, of_group),
            "group_typing_stop": partial(self._on, stop, OF_GROUPS, of_group),
        }

    def _on(self, say: Say, words: Words, read: Read, sid: str, args: tuple[object, ...]) -> Answer:
        channel = say(sid, channel_of(read(args)), words, partial(self._limits.check_typing, sid))
        return {"channel": channel.name, "status": "success", "timestamp": now_iso()}
