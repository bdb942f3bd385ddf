"""Signing in to the dashboard with the site's own account."""

from dataclasses import dataclass

from mechamap.domain.console import ConsoleRole, ConsoleRoles
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.identity import UserFacts
from mechamap.domain.roles import Level
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory

from .passwords import Passwords


@dataclass(frozen=True, slots=True)
class Operator:
    """A person in the dashboard. ``level`` is that of the site's role, None if the ladder has it not."""

    user_id: int
    name: str | None
    role: str | None
    level: Level | None
    console_role: ConsoleRole


class SignIn:
    """Who may enter, at the door and afterwards."""

    def __init__(
        self, accounts: Accounts, directory: LaravelDirectory, roles: ConsoleRoles, passwords: Passwords
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._roles = roles
        self._passwords = passwords

    def check(self, login: str, password: str) -> Operator:
        """The operator with this e-mail address or user name and this password.

        Whoever does not know the password learns nothing: unknown and wrong are one answer, in the same time.

        Raises:
            AuthenticationFailed: ``credentials_invalid``, ``user_banned`` or ``user_inactive``.
            Forbidden: ``role_too_low``.
            DirectoryUnavailable: the accounts cannot be read now.
        """
        account = self._accounts.find(login.strip())
        if (
            not self._passwords.matches(password, account.password_hash if account else None)
            or account is None
        ):
            raise AuthenticationFailed("the name or the password is wrong.", code="credentials_invalid")
        if account.user.banned:
            raise AuthenticationFailed("the user is banned.", code="user_banned")
        if not account.user.active:
            raise AuthenticationFailed("the user is not active.", code="user_inactive")
        operator = self._operator(account.user)
        if operator is None:
            raise Forbidden("The role of this account may not use the console.", code="role_too_low")
        return operator

    def still(self, user_id: int) -> Operator | None:
        """The operator of a running session, judged anew: None once barred, gone, or without a role
        for the console.

        Raises:
            DirectoryUnavailable: it cannot be told now.
        """
        user = self._directory.user(user_id)
        if user is None or user.banned or not user.active:
            return None
        return self._operator(user)

    def _operator(self, user: UserFacts) -> Operator | None:
        console_role = self._roles.of(user.role)
        if console_role is None:
            return None
        level = self._roles.ladder.level(user.role)
        return Operator(user.user_id, user.name, user.role, level, console_role)
