"""Channels that Laravel decided on before: the browser brings its signature, as Pusher's clients do."""

import logging

from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import NotFound
from mechamap.domain.identity import Identity
from mechamap.domain.pusher_signature import check_channel
from mechamap.laravel.verdict import member_of

from .protocol import AppDirectory

log = logging.getLogger(__name__)

RULE = "Laravel's signature"


class ChannelSignatures:
    """Checks signatures under the secrets of the apps."""

    def __init__(self, apps: AppDirectory) -> None:
        self._apps = apps

    def decide(self, identity: Identity, channel: Channel, credentials: Credentials) -> Decision | None:
        """The verdict; None without a signature.

        Raises:
            Unavailable: the apps cannot be looked up.
        """
        if credentials.auth is None:
            return None
        data = credentials.channel_data
        decision = self.check(identity, channel, credentials.sid, credentials.auth, data)
        if not decision.allowed:
            trace = {"channel": channel.name, "code": decision.code, "rule": "signature"}
            log.info("channel_signature_refused", extra=trace)
        return decision

    def check(
        self, identity: Identity, channel: Channel, sid: str, auth: str, channel_data: str | None
    ) -> Decision:
        """Whether one of the apps signed this for the connection, the channel and the data, and for the
        person who is connected."""
        key, colon, _ = auth.partition(":")
        try:
            app = self._apps.by_key(key) if colon else None
        except NotFound:
            app = None
        if app is None or not app.enabled:
            return _refused("auth_key_unknown", "The signature's key is that of no app.")
        if not check_channel(auth, app.keys, sid, channel.name, channel_data):
            return _refused(
                "auth_signature_invalid", "The signature fits not all of connection, channel and data."
            )
        member = member_of(channel_data)
        if channel.presence and member is None:
            return _refused("auth_unreadable", "A presence channel needs channel_data with a user_id.")
        if other_member(identity, member):
            return _refused("auth_other_user", "The signature is for another user.")
        return Decision(True, RULE, "The signature is Laravel's.", "allowed")


def other_member(identity: Identity, member: str | None) -> bool:
    """Whether Laravel named somebody else than who is connected; a guest (user 0) is nobody yet."""
    return member is not None and identity.user_id != 0 and member != str(identity.user_id)


def _refused(code: str, reason: str) -> Decision:
    return Decision(False, RULE, reason, code)
