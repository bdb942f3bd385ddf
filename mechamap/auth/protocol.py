"""What the edges and use cases ask of authentication."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from mechamap.domain.apps import App
from mechamap.domain.channels import Channel, spell
from mechamap.domain.identity import Identity


class Authenticator(Protocol):
    """Turns a person's token into an identity."""

    def authenticate(self, token: object) -> Identity:
        """Verify the token and that its user exists and may sign in.

        Raises:
            AuthenticationFailed: with a stable code (``token_missing``, ``token_malformed``,
                ``token_invalid``, ``token_type``, ``token_expired``, ``token_revoked``,
                ``token_unsupported`` (the database has no table of such tokens), ``development_token``,
                ``user_unknown``, ``user_inactive``, ``user_banned``, ``user_blocked``).
            DirectoryUnavailable: the user's rows cannot be read now; the same token may pass later.
            Unavailable: Laravel, which is to verify the token, gives no verdict (``verify_…``); likewise.
        """


@dataclass(frozen=True, slots=True)
class BroadcastKey:
    """A publisher that proved itself.

    Attributes:
        name: for logs, metrics, rate limits and the console.
        scopes: patterns of channel names it may publish to (``*`` is any run of characters); empty means all.
            They are compared with a channel's first spelling: another one opens and closes nothing.
    """

    name: str
    scopes: tuple[str, ...] = ()

    def may_publish(self, channel: Channel) -> bool:
        if not self.scopes:
            return True
        name = spell(channel.canonical)
        return any(fnmatchcase(name, scope) for scope in self.scopes)


class KeyRing(Protocol):
    """The live broadcast keys: those of the settings and those of our table."""

    def authenticate(self, presented: str | None) -> BroadcastKey:
        """The key whose secret this is, compared in constant time.

        Raises:
            KeyRefused: absent, unknown, or revoked; with the code ``key_missing`` or ``key_invalid``.
            Unavailable: our database is away and was never read, so it cannot be told (``keys_unavailable``).
        """


class AppDirectory(Protocol):
    """The apps that may sign: the one of the settings and those of our table.

    Everything raises Unavailable when our database is away and was never read (``apps_unavailable``).
    """

    def find(self, app_id: str) -> App:
        """The app, enabled or not, with at least one key.

        Raises:
            NotFound: ``app_unknown``.
            Unavailable: its secrets cannot be read (``app_secret_unreadable``).
        """

    def by_key(self, key: str) -> App:
        """The app that has this public key.

        Raises:
            NotFound: ``app_unknown``.
        """

    def all(self) -> tuple[App, ...]:
        """All of them; some may be disabled, or have no key that can be read."""
