"""Readers that turn environment text into typed values, or refuse with a sentence naming the variable."""

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .domain.console import NOBODY, ConsoleRole
from .domain.redis_url import parse_redis_url
from .domain.roles import Level, level_named


class SettingsError(Exception):
    """A variable whose value cannot be used. ``str`` is one sentence and never shows the value of a
    secret."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}.")
        self.variable = variable


class Environment:
    """Named text values, read one at a time. An empty value counts as absent."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def beneath(self, defaults: Mapping[str, str]) -> "Environment":
        """This environment with ``defaults`` for what it leaves out."""
        return Environment({**defaults, **{k: v for k, v in self._values.items() if v.strip()}})

    def text(self, name: str) -> str | None:
        """The value without surrounding blanks; ``NAME_FILE`` may name a file that holds it (Docker
        secrets)."""
        value = self._values.get(name, "").strip()
        path = self._values.get(f"{name}_FILE", "").strip()
        if not value and path:
            try:
                value = Path(path).read_text().strip()
            except OSError as err:
                raise SettingsError(f"{name}_FILE", f"cannot read {path} ({err.strerror})") from err
        return value or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise SettingsError(name, "is required in production")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """A comma-separated list."""
        return tuple(word.strip() for word in (self.text(name) or "").split(",") if word.strip())

    def choice(self, name: str, allowed: Iterable[str], default: str) -> str:
        value = self.text(name)
        if value is None:
            return default
        for candidate in allowed:
            if value.lower() == candidate.lower():
                return candidate
        raise SettingsError(name, f"is {value!r}; use one of {', '.join(allowed)}")

    def switch(self, name: str, default: bool) -> bool:
        value = self.choice(name, ("on", "off", "true", "false", "1", "0"), "on" if default else "off")
        return value in ("on", "true", "1")

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.optional_integer(name, least, most)
        return default if value is None else value

    def optional_integer(self, name: str, least: int, most: int) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        # int() alone would take '4_2' and other scripts' digits
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            raise SettingsError(name, f"is {value!r}; use a whole number from {least} to {most}")
        return int(value)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise SettingsError(name, f"is {value!r}; use a number from {least:g} to {most:g}")
        return number

    def url(self, name: str, schemes: tuple[str, ...] = ()) -> str | None:
        """A URL; its text may hold a password, so it is never repeated in the refusal."""
        value = self.text(name)
        if value is None:
            return None
        scheme = value.partition("://")[0] if "://" in value else ""
        if not scheme or (schemes and scheme not in schemes):
            expected = " or ".join(f"{s}://…" for s in schemes) or "scheme://…"
            raise SettingsError(name, f"is not a URL of the form {expected}")
        return value

    def address(self, name: str, *, secure: bool) -> str | None:
        """The http(s) URL of something that we call, without a slash at its end. Credentials go into settings
        of their own, so the URL may be shown.

        Args:
            secure: https only, but for this machine itself.
        """
        value = self.text(name)
        return None if value is None else _address(name, value, secure=secure)

    def addresses(self, name: str, *, secure: bool) -> tuple[str, ...]:
        """Several of them."""
        return tuple(_address(name, word, secure=secure) for word in self.words(name))

    def redis_url(self, name: str) -> str | None:
        """Like ``url``: one Redis, Sentinels, or nodes of a cluster."""
        value = self.text(name)
        if value is not None:
            try:
                parse_redis_url(value)
            except ValueError as err:
                raise SettingsError(name, str(err)) from None
        return value

    def origins(self, name: str) -> tuple[str, ...]:
        for origin in (found := self.words(name)):
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or parts.path
                or parts.query
                or "*" in origin
            ):
                raise SettingsError(
                    name, f"{origin!r} is not an origin such as https://mechamap.com (no path, no wildcard)"
                )
        return found

    def networks(self, name: str) -> tuple[str, ...]:
        for word in (found := self.words(name)):
            try:
                ipaddress.ip_network(word, strict=False)
            except ValueError as err:
                raise SettingsError(
                    name, f"{word!r} is not an address or a network such as 10.0.0.0/8"
                ) from err
        return found

    def file(self, name: str) -> Path | None:
        value = self.text(name)
        if value is None:
            return None
        path = Path(value)
        try:
            with path.open("rb"):
                return path
        except OSError as err:
            raise SettingsError(name, f"cannot read {value} ({err.strerror})") from err

    def timezone(self, name: str, default: str) -> str:
        value = self.text(name) or default
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as err:
            raise SettingsError(name, f"{value!r} is not a time zone such as Asia/Ho_Chi_Minh") from err
        return value

    def level(self, name: str, default: Level) -> Level:
        value = self.text(name)
        if value is None:
            return default
        level = level_named(value)
        if level is None:
            raise SettingsError(name, f"is {value!r}; use one of {', '.join(each.label for each in Level)}")
        return level

    def levels(self, name: str) -> dict[str, Level]:
        """Pairs ``role=level``."""
        found: dict[str, Level] = {}
        for pair in self.words(name):
            role, equals, label = pair.partition("=")
            level = level_named(label)
            if not role.strip() or not equals or level is None:
                raise SettingsError(name, f"{pair!r} is not a pair such as vip=senior_member")
            found[role.strip()] = level
        return found

    def console_roles(self, name: str) -> dict[str, ConsoleRole | None]:
        """Pairs ``role=viewer``, ``operator``, ``administrator`` or ``none``."""
        known = {role.label: role for role in ConsoleRole}
        found: dict[str, ConsoleRole | None] = {}
        for pair in self.words(name):
            role, equals, label = (part.strip() for part in pair.partition("="))
            if not role or not equals or label not in (*known, NOBODY):
                raise SettingsError(
                    name,
                    f"{pair!r} is not a pair such as moderator=viewer; known: {', '.join(known)}, {NOBODY}",
                )
            if role in found:
                raise SettingsError(name, f"names {role} twice")
            found[role] = known.get(label)
        return found

    def numbers(self, name: str, least: int, most: int) -> dict[str, int]:
        """Pairs ``role=number``."""
        found: dict[str, int] = {}
        for pair in self.words(name):
            role, equals, text = (part.strip() for part in pair.partition("="))
            digits = text.isascii() and text.isdigit() and len(text) <= 9
            if not role or not equals or not digits or not least <= int(text) <= most:
                raise SettingsError(
                    name, f"{pair!r} is not a pair such as guest=2 with a number from {least} to {most}"
                )
            if role in found:
                raise SettingsError(name, f"names {role!r} twice")
            found[role] = int(text)
        return found


def _address(name: str, value: str, *, secure: bool) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(name, "is not an address such as https://mechamap.com")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise SettingsError(name, "must have no user, password, query or fragment")
    if not value.isprintable() or " " in value:
        raise SettingsError(name, "holds characters that no address has")
    if secure and parts.scheme != "https" and not _is_loopback(host):
        raise SettingsError(name, "must begin with https:// in production, or name this machine itself")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
