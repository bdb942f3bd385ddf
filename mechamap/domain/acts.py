"""What operators do, by the names of the audit log: one for an act, whichever door it is done by.

Names are ``noun.verb``. A name that an act had in rows of before stays here beside it, so that a filter finds
those rows too; no row is ever rewritten.
"""

from enum import StrEnum


class Act(StrEnum):
    """Everything that is recorded.

    Attributes:
        told: what happened, for people.
        former: names that rows of before have for it.
    """

    told: str
    former: tuple[str, ...]

    def __new__(cls, name: str, told: str, *former: str) -> "Act":
        act = str.__new__(cls, name)
        act._value_, act.told, act.former = name, told, former
        return act

    SIGN_IN = "console.signin", "signed in to the console or the Admin UI", "adminui.signin"
    SIGN_OUT = (
        *("console.signout", "ended sessions of their own"),
        *("console.signout_everywhere", "account.sign_out"),
    )
    END_SESSIONS = "console.end_sessions", "ended sessions of somebody", "people.end"
    SESSION_LOST = (
        *("console.session_lost", "is no operator any more, or has another password"),
        "console.role_lost",
    )

    CONNECTION_CLOSE = (
        *("connection.close", "closed connections"),
        *("connections.disconnect", "channels.disconnect", "client.kick", "adminui.disconnect"),
    )
    TOKEN_ISSUE = "token.issue", "made a token"
    TOKEN_REVOKE = "token.revoke", "revoked a token", "tokens.revoke", "connection.revoke"
    TOKEN_EXPLAIN = "token.explain", "asked about a token", "explain.token"
    USER_BLOCK = "user.block", "kept a user out for a time", "users.block", "blocks.block"
    USER_UNBLOCK = "user.unblock", "let a blocked user in again", "users.unblock", "blocks.unblock"

    CHANNEL_JOIN = "channel.join", "let connections into a channel", "adminui.join"
    CHANNEL_LEAVE = "channel.leave", "took connections out of a channel", "adminui.leave"
    CHANNEL_PURGE = "channel.purge", "emptied a channel's log", "channels.purge"
    CHANNEL_EXPLAIN = "channel.explain", "asked Laravel as a user", "explain.laravel"
    EVENT_PUBLISH = (
        *("event.publish", "published an event"),
        *("broadcast", "channels.publish", "adminui.emit"),
    )
    EVENT_OPEN = (
        *("event.open", "read the data of events"),
        *("channels.data", "channel.data", "payload.open", "watch.payload"),
    )

    KEY_CREATE = "key.create", "made a key", "keys.create"
    KEY_ROTATE = "key.rotate", "gave a key another secret", "keys.rotate"
    KEY_SCOPES = "key.scopes", "changed what a key may publish to", "keys.scopes"
    KEY_REVOKE = "key.revoke", "revoked a key or an old secret of one", "keys.revoke"
    APP_CREATE = "app.create", "made an app", "apps.create"
    APP_ROTATE = "app.rotate", "gave an app another key", "apps.rotate"
    APP_FINISH = "app.rotate_finish", "ended an app's old keys", "apps.finish"
    APP_ENABLE = "app.enable", "let an app call again", "apps.enable"
    APP_DISABLE = "app.disable", "refused an app's calls", "apps.disable"
    APP_DELETE = "app.delete", "deleted an app", "apps.delete"

    WEBHOOK_RETRY = "webhook.retry", "sent a webhook once more"
    WEBHOOK_DROP = "webhook.drop", "gave webhooks up"
    OUTBOX_RETRY = "outbox.retry", "let a row of the outbox be tried again"
    AUDIT_PRUNE = "audit.prune", "removed old rows of the audit log"

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the former ones."""
        return (self.value, *self.former)


def names_meant(text: str) -> tuple[str, ...]:
    """Every name of the acts that ``text`` means: the beginning of their name, or one they had before."""
    meant = (act for act in Act if act.startswith(text) or text in act.former)
    return tuple(name for act in meant for name in act.names)
