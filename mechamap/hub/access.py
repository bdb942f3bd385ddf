"""The judge: fetches the facts a channel's rule needs and applies the rule."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from mechamap.domain.access import Decision, decide
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.facts import Fact, Facts, Place, ThreadFacts, facts_needed, forum_of
from mechamap.domain.grammar import ChannelKind
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.rules import Policy
from mechamap.store.protocol import Directory

from .protocol import ChannelAuthorizer

# Judged by the identity alone; a dead database must not close them (their users were judged when they signed
# in).
_WITHOUT_DIRECTORY = frozenset(
    {ChannelKind.PUBLIC, ChannelKind.USER, ChannelKind.PRODUCT, ChannelKind.ORDERS, ChannelKind.SITE}
)


class Judge:
    """May this person join this channel, by the facts of this moment (as fresh as the directory's cache)?"""

    def __init__(
        self, directory: Directory, policy: Policy, authorizer: ChannelAuthorizer | None = None
    ) -> None:
        self._directory = directory
        self._policy = policy
        self._authorizer = authorizer

    def decide(
        self,
        identity: Identity,
        channel: Channel,
        known: UserFacts | None = None,
        credentials: Credentials | None = None,
    ) -> Decision:
        """The verdict. ``known`` are earlier facts of the user, used while the directory is away for channels
        that need no other; ``credentials`` are for an authoriser, which decides on its channels.

        Raises:
            DirectoryUnavailable: the rule needs facts that cannot be had now.
            Unavailable: the authoriser gives no verdict now.
        """
        authorizer = self._authorizer_of(identity, channel)
        if authorizer is None:
            return decide(identity, channel, self.facts(identity, channel, known), self._policy)
        user = self._user(identity, True, known)
        return self._by(identity, channel, user, lambda: authorizer.authorize(identity, channel, credentials))

    def defers(self, identity: Identity, channel: Channel) -> bool:
        """Whether somebody else decides on this channel for this person, and not our rules."""
        return self._authorizer_of(identity, channel) is not None

    def decide_again(
        self,
        identity: Identity,
        channels: Collection[Channel],
        known: UserFacts | None,
        credentials: Credentials | None,
    ) -> dict[Channel, Decision]:
        """The verdicts on channels that a returning client had.

        Raises:
            Unavailable: as ``decide``.
        """
        mine = [channel for channel in channels if self._authorizer_of(identity, channel) is None]
        decided = {channel: self.decide(identity, channel, known) for channel in mine}
        others = [channel for channel in channels if channel not in decided]
        if others and self._authorizer is not None:
            user = self._user(identity, True, known)
            again = self._authorizer.renew(identity, others, credentials)
            for channel, decision in zip(others, again, strict=True):
                decided[channel] = self._by(identity, channel, user, lambda said=decision: said)
        return decided

    def facts(self, identity: Identity, channel: Channel, known: UserFacts | None = None) -> Facts:
        """The facts the verdict rests on."""
        user = self._user(identity, channel.kind in _WITHOUT_DIRECTORY, known)
        found: dict[str, Any] = {}
        for fact, key in () if identity.guest else facts_needed(channel, identity.user_id):
            found[fact.value] = self._directory.find(fact, key)
        for fact, key in forum_of(found.get(Fact.THREAD)):
            found[fact.value] = self._directory.find(fact, key)
        return Facts(user=user, **found)

    def fetch(self, wanted: Iterable[tuple[int, Channel]]) -> Mapping[Place, object]:
        """Fresh facts, in few queries, of what many users have; for ``decide_by``.

        Raises:
            DirectoryUnavailable
        """
        places = {place for user_id, channel in wanted for place in facts_needed(channel, user_id)}
        found = dict(self._directory.gather(places)) if places else {}
        threads = [row for row in found.values() if isinstance(row, ThreadFacts)]
        forums = {place for thread in threads for place in forum_of(thread)} - places
        return {**found, **self._directory.gather(forums)} if forums else found

    def decide_by(
        self, found: Mapping[Place, object], identity: Identity, channel: Channel, user: UserFacts | None
    ) -> Decision:
        """The verdict on what a live connection has, by facts that were fetched before."""
        authorizer = self._authorizer_of(identity, channel)
        if authorizer is not None:
            return self._by(identity, channel, user, authorizer.keep)
        places = facts_needed(channel, identity.user_id)
        rows: dict[str, Any] = {place[0].value: found.get(place) for place in places}
        for place in forum_of(rows.get(Fact.THREAD)):
            rows[place[0].value] = found.get(place)
        return decide(identity, channel, Facts(user=user, **rows), self._policy)

    def _by(
        self, identity: Identity, channel: Channel, user: UserFacts | None, ask: Callable[[], Decision]
    ) -> Decision:
        """An authoriser's verdict; it is not asked about somebody who may not sign in, nor about guests in
        channels with members."""
        if identity.guest and channel.presence:
            return decide(identity, channel, Facts(), self._policy)
        barred = user is not None and (user.banned or not user.active)
        if barred or channel.kind is ChannelKind.SITE:
            return decide(identity, channel, Facts(user=user, site=None if barred else ask()), self._policy)
        return ask()

    def _authorizer_of(self, identity: Identity, channel: Channel) -> ChannelAuthorizer | None:
        authorizer = self._authorizer
        return authorizer if authorizer is not None and authorizer.concerns(identity, channel) else None

    def _user(self, identity: Identity, alone: bool, known: UserFacts | None) -> UserFacts | None:
        """``alone``: nothing else is needed of the directory, so one that is away does not stop it."""
        if identity.guest:
            return None
        try:
            return self._directory.user(identity.user_id)
        except DirectoryUnavailable:
            if not alone:
                raise
            return known
