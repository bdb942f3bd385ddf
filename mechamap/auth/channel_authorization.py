"""Who decides on which channel (``CHANNEL_AUTH``): our rules, a signature, or Laravel when it is asked.

With ``rules`` they judge all channels of our grammar, and the others those of the site. Without, the others
judge ours too, whatever their spelling, but for what our rules open to everyone signed in or to nobody, and a
person's own channel.
"""

from collections.abc import Sequence
from typing import Protocol

from gevent.pool import Pool

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import RealtimeError
from mechamap.domain.grammar import ChannelKind
from mechamap.domain.identity import Identity

RULE = "Laravel decides"
TOGETHER = 4
"""Channels of one returning client that are asked about at the same time; others have their turn too."""
_RULED = frozenset({ChannelKind.PUBLIC, ChannelKind.PRODUCT, ChannelKind.ROLE, ChannelKind.SYSTEM})


class Way(Protocol):
    """One of those who may decide."""

    def decide(self, identity: Identity, channel: Channel, credentials: Credentials) -> Decision | None:
        """The verdict; None: it has nothing to go by.

        Raises:
            Unavailable: there is none now.
        """


class ChannelAuthorization:
    """Implements ``hub.protocol.ChannelAuthorizer``.

    Args:
        ways: asked in this order; the first verdict counts.
        by_rules: whether our rules judge the channels of our grammar.
        again: who is asked again when a client returns to its session, if anybody can be.
        signed: whether a signature may have decided. One is for one connection only, so where nobody can be
            asked what it authorised holds for as long as the session.
    """

    def __init__(
        self, ways: Sequence[Way], *, by_rules: bool, again: Way | None = None, signed: bool = False
    ) -> None:
        self._ways = tuple(ways)
        self._by_rules = by_rules
        self._again = again
        self._signed = signed

    def concerns(self, identity: Identity, channel: Channel) -> bool:
        if channel.kind is ChannelKind.SITE:
            return channel.guarded
        if self._by_rules or channel.kind in _RULED:
            return False
        return not (channel.kind is ChannelKind.USER and channel.target == identity.user_id)

    def authorize(self, identity: Identity, channel: Channel, credentials: Credentials | None) -> Decision:
        for way in self._ways if credentials is not None else ():
            decision = way.decide(identity, channel, credentials)
            if decision is not None:
                return decision
        return Decision(False, RULE, "There is no credential for whoever decides.", "auth_no_credentials")

    def renew(
        self, identity: Identity, channels: Sequence[Channel], credentials: Credentials | None
    ) -> list[Decision]:
        again = self._again
        if self._signed and not (again is not None and credentials is not None and credentials.identify):
            return [self.keep()] * len(channels)
        if again is None or credentials is None:
            return [self.authorize(identity, channel, None) for channel in channels]
        verdicts = Pool(TOGETHER).map(
            lambda channel: _outcome(again, identity, channel, credentials), channels
        )
        for verdict in verdicts:
            if isinstance(verdict, RealtimeError):
                raise verdict
        return [
            verdict or self.authorize(identity, channel, None)
            for verdict, channel in zip(verdicts, channels, strict=True)
        ]

    def keep(self) -> Decision:
        return Decision(True, RULE, "It was authorised when it was joined.", "allowed")


def _outcome(
    way: Way, identity: Identity, channel: Channel, credentials: Credentials
) -> Decision | RealtimeError | None:
    """The verdict, or why there is none: what a greenlet raises would be logged as a defect."""
    try:
        return way.decide(identity, channel, credentials)
    except RealtimeError as err:
        return err
