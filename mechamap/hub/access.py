"""The judge: fetches the facts a channel's rule needs and applies the rule."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from mechamap.domain.access import (
    Decision,
    Fact,
    Facts,
    Place,
    Policy,
    ThreadFacts,
    decide,
    facts_needed,
    forum_of,
)
from mechamap.domain.channels import Channel, ChannelKind
from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.identity import Identity, UserFacts
from mechamap.store.protocol import Directory

# Judged by the identity alone; a dead database must not close them (their users were judged when they signed
# in).
_WITHOUT_DIRECTORY = frozenset(
    {ChannelKind.PUBLIC, ChannelKind.USER, ChannelKind.PRODUCT, ChannelKind.ORDERS, ChannelKind.SITE}
)


class SiteAuthoriser(Protocol):
    """Asks Laravel about channels that only it knows."""

    def decide(self, identity: Identity, channel: Channel) -> Decision | None:
        """What it answered; None: it cannot be asked.

        Raises:
            Unavailable: it did not answer; the same question may be answered later.
        """


class Judge:
    """May this person join this channel, by the facts of this moment (as fresh as the directory's cache)?"""

    def __init__(self, directory: Directory, policy: Policy, site: SiteAuthoriser | None = None) -> None:
        self._directory = directory
        self._policy = policy
        self._site = site

    def decide(self, identity: Identity, channel: Channel, known: UserFacts | None = None) -> Decision:
        """The verdict. ``known`` are earlier facts of the user, used while the directory is away for channels
        that need no other.

        Raises:
            DirectoryUnavailable: the rule needs facts that cannot be had now.
        """
        return decide(identity, channel, self.facts(identity, channel, known), self._policy)

    def facts(self, identity: Identity, channel: Channel, known: UserFacts | None = None) -> Facts:
        """The facts the verdict rests on."""
        try:
            user = self._directory.user(identity.user_id)
        except DirectoryUnavailable:
            if channel.kind not in _WITHOUT_DIRECTORY:
                raise
            user = known
        found: dict[str, Any] = {}
        for fact, key in facts_needed(channel, identity.user_id):
            found[fact.value] = self._directory.find(fact, key)
        for fact, key in forum_of(found.get(Fact.THREAD)):
            found[fact.value] = self._directory.find(fact, key)
        return Facts(user=user, site=self._asked(identity, channel), **found)

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
        """The verdict by facts that were fetched before."""
        places = facts_needed(channel, identity.user_id)
        rows: dict[str, Any] = {place[0].value: found.get(place) for place in places}
        for place in forum_of(rows.get(Fact.THREAD)):
            rows[place[0].value] = found.get(place)
        facts = Facts(user=user, site=self._asked(identity, channel), **rows)
        return decide(identity, channel, facts, self._policy)

    def _asked(self, identity: Identity, channel: Channel) -> Decision | None:
        if self._site is None or channel.kind is not ChannelKind.SITE or not channel.guarded:
            return None
        return self._site.decide(identity, channel) if self._policy.site_channels else None
