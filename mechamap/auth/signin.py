"""Signing in to the dashboard with the site's own account."""

from dataclasses import dataclass

from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.identity import UserFacts
from mechamap.domain.roles import Ladder, Level
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory

from .passwords import Passwords

ENTRY = Level.ADMIN
"""The least level that may enter the dashboard."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A person in the dashboard."""

    user_id: int
    name: str | None
    role: str | None
    level: Level


class SignIn:
    """Who may enter, at the door and afterwards."""

    def __init__(
        self, accounts: Accounts, directory: LaravelDirectory, ladder: Ladder, passwords: Passwords
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._ladder = ladder
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
            raise Forbidden("The dashboard is for administrators.", code="role_too_low")
        return operator

    def still(self, user_id: int) -> Operator | None:
        """The operator of a running session, judged anew: None once barred, gone, or no administrator.

        Raises:
            DirectoryUnavailable: it cannot be told now.
        """
        user = self._directory.user(user_id)
        if user is None or user.banned or not user.active:
            return None
        return self._operator(user)

    def _operator(self, user: UserFacts) -> Operator | None:
        level = self._ladder.level(user.role)
        if level is None or level < ENTRY:
            return None
        return Operator(user.user_id, user.name, user.role, level)
