"""Every error the product can answer with, in one tree.

RealtimeError
├── InvalidRequest            400  the request cannot be read at all (not JSON, not an object)
├── InvalidField              422  one named field breaks a named rule
│   └── InvalidChannel        422  a channel name outside the grammar
├── PayloadTooLarge           413  names the size and the limit
├── Unauthenticated           401  no credential, or one that does not verify
│   ├── AuthenticationFailed  401  of a person: message begins «Authentication failed»
│   │   └── UserBlocked       401  carries ``until``
│   ├── KeyRefused            401  of a broadcast key
│   └── SignatureRefused      401  of a request signed with an app's secret
├── Forbidden                 403  known, but may not do this
├── NotFound                  404
├── Conflict                  409  contradicts what was accepted before
├── NotStored                 502  Laravel did not store it, or it cannot be told whether it did
├── RateLimited               429  carries ``retry_after``
└── Unavailable               503  a dependency is away; carries ``retry_after``
    ├── BrokerUnavailable          events cannot be ordered or handed on
    └── DirectoryUnavailable       Laravel's tables cannot be read or written

``code`` is a stable snake_case string: the wire, the log line, the metric and the dashboard all use it.
``str(error)`` is one sentence fit for a stranger; it never holds a secret, a token or a payload.
"""

from .moments import iso


class RealtimeError(Exception):
    """Base of the tree.

    Attributes:
        code: stable machine-readable reason.
        http_status: the status an HTTP edge answers with.
        retry: whether the same request may succeed later.
    """

    code = "error"
    http_status = 500
    retry = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        return str(self)

    def details(self) -> dict[str, object]:
        """Extra fields for the wire, beside ``code`` and the message."""
        return {}


class InvalidRequest(RealtimeError):
    code = "invalid_request"
    http_status = 400


class InvalidField(RealtimeError):
    """A field breaks a rule; ``field`` is its path in the body, for example ``broadcasts[2].event``."""

    code = "invalid_field"
    http_status = 422

    def __init__(self, field: str, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field

    def details(self) -> dict[str, object]:
        return {"field": self.field}

    def under(self, prefix: str) -> "InvalidField":
        """The same error for a body nested under ``prefix``."""
        return InvalidField(f"{prefix}.{self.field}", self.message, code=self.code)


class InvalidChannel(InvalidField):
    code = "invalid_channel"

    def __init__(self, message: str, *, code: str | None = None, field: str = "channel") -> None:
        super().__init__(field, message, code=code)


class PayloadTooLarge(RealtimeError):
    """``size`` and ``limit`` are bytes."""

    code = "payload_too_large"
    http_status = 413

    def __init__(self, field: str, size: int, limit: int) -> None:
        super().__init__(f"{field} is {size} bytes; the limit is {limit} bytes.")
        self.field, self.size, self.limit = field, size, limit

    def details(self) -> dict[str, object]:
        return {"field": self.field, "size": self.size, "limit": self.limit}


class Unauthenticated(RealtimeError):
    code = "unauthenticated"
    http_status = 401


class AuthenticationFailed(Unauthenticated):
    """A person's token was refused. Browsers show the text, so it always begins «Authentication failed»."""

    code = "authentication_failed"

    def __init__(self, reason: str, *, code: str) -> None:
        super().__init__(f"Authentication failed: {reason}", code=code)


class UserBlocked(AuthenticationFailed):
    """An operator keeps the user out; ``until`` is Unix seconds."""

    code = "user_blocked"

    def __init__(self, until: float) -> None:
        self.until = until
        super().__init__(f"the user is blocked until {iso(until)}.", code=self.code)

    def details(self) -> dict[str, object]:
        return {"until": iso(self.until)}


class KeyRefused(Unauthenticated):
    code = "invalid_key"


class SignatureRefused(Unauthenticated):
    """What claims to come from an app is not signed by it; ``code`` tells missing, expired and invalid
    apart."""

    code = "signature_invalid"


class Forbidden(RealtimeError):
    code = "forbidden"
    http_status = 403


class NotFound(RealtimeError):
    code = "not_found"
    http_status = 404


class Conflict(RealtimeError):
    code = "conflict"
    http_status = 409


class NotStored(RealtimeError):
    """Something was given to Laravel to store. ``unknown``: it may have been; ``retry_after``: whole seconds,
    where it is worth trying again."""

    code = "group_message_not_stored"
    http_status = 502

    def __init__(
        self, message: str, *, code: str | None = None, unknown: bool = False, retry_after: int | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.unknown, self.retry_after = unknown, retry_after
        self.retry = retry_after is not None

    def details(self) -> dict[str, object]:
        found: dict[str, object] = {"outcome": "unknown"} if self.unknown else {}
        return found | ({"retry": True, "retryAfter": self.retry_after} if self.retry else {})


class RateLimited(RealtimeError):
    """``retry_after`` is whole seconds, at least 1."""

    code = "rate_limited"
    http_status = 429
    retry = True

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, round(retry_after + 0.5))

    def details(self) -> dict[str, object]:
        return {"retryAfter": self.retry_after}


class Unavailable(RealtimeError):
    """``retry_after`` is whole seconds."""

    code = "unavailable"
    http_status = 503
    retry = True

    def __init__(self, message: str, *, code: str | None = None, retry_after: int = 2) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after

    def details(self) -> dict[str, object]:
        return {"retry": True, "retryAfter": self.retry_after}


class BrokerUnavailable(Unavailable):
    """``unknown``: the broker may have carried it out all the same; without it, it surely did not."""

    code = "broker_unavailable"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: int = 2, unknown: bool = False
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.unknown = unknown

    def details(self) -> dict[str, object]:
        return {**super().details(), "outcome": "unknown"} if self.unknown else super().details()


class DirectoryUnavailable(Unavailable):
    code = "directory_unavailable"
