"""The judge: fetches the facts a channel's rule needs and applies the rule."""

from mechamap.domain.access import Decision, Fact, Facts, Policy, decide, facts_needed
from mechamap.domain.channels import Channel, ChannelKind
from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.identity import Identity, UserFacts
from mechamap.store.protocol import Directory

# Judged by the identity alone; a dead database must not close them (their users were judged when they signed
# in).
_WITHOUT_DIRECTORY = frozenset({ChannelKind.PUBLIC, ChannelKind.USER})


class Judge:
    """May this person join this channel, by the facts of this moment (as fresh as the directory's cache)?"""

    def __init__(self, directory: Directory, policy: Policy) -> None:
        self._directory = directory
        self._policy = policy

    def decide(self, identity: Identity, channel: Channel, known: UserFacts | None = None) -> Decision:
        """The verdict. ``known`` are earlier facts of the user, used for public and own channels while the
        directory is away.

        Raises:
            DirectoryUnavailable: the rule needs facts that cannot be had now.
        """
        return decide(identity, channel, self.facts(identity, channel, known), self._policy)

    def facts(self, identity: Identity, channel: Channel, known: UserFacts | None = None) -> Facts:
        """The facts the verdict rests on."""
        needed = facts_needed(channel)
        try:
            user = self._directory.user(identity.user_id)
        except DirectoryUnavailable:
            if channel.kind not in _WITHOUT_DIRECTORY:
                raise
            user = known
        thread = self._directory.thread(channel.target) if Fact.THREAD in needed and channel.target else None
        forum_id = (
            thread.forum_id
            if thread is not None
            else channel.target
            if channel.kind is ChannelKind.FORUM
            else None
        )
        forum = self._directory.forum(forum_id) if Fact.FORUM in needed and forum_id else None
        return Facts(user, thread, forum)
