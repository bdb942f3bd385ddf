"""Signing in to the console with the site's own account, and staying there."""

import hashlib
import hmac
from dataclasses import dataclass

from mechamap.domain.console import ConsoleRole, ConsoleRoles
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.identity import UserFacts
from mechamap.domain.roles import Level
from mechamap.store.console_sessions import Ended
from mechamap.store.laravel.accounts import Account, Accounts
from mechamap.store.laravel.directory import LaravelDirectory

from .passwords import Passwords


@dataclass(frozen=True, slots=True)
class Operator:
    """A person in the console. ``level`` is that of the site's role, None if the ladder has it not."""

    user_id: int
    name: str | None
    role: str | None
    level: Level | None
    console_role: ConsoleRole


class SignIn:
    """Who may enter, at the door and afterwards."""

    def __init__(
        self,
        accounts: Accounts,
        directory: LaravelDirectory,
        roles: ConsoleRoles,
        passwords: Passwords,
        secret_key: str,
    ) -> None:
        """``secret_key``: without it nobody can tell from a kept digest whether a hash is the one."""
        self._key = hmac.digest(secret_key.encode(), b"passwords of console sessions", "sha256")
        self._accounts = accounts
        self._directory = directory
        self._roles = roles
        self._passwords = passwords

    def check(self, login: str, password: str) -> tuple[Operator, str]:
        """The operator with this e-mail address or user name and this password, and a digest of the
        password's hash, by which ``still`` knows whether it is the same.

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
        return operator, self._digest(account)

    def still(self, user_id: int, password_digest: str | None) -> Operator | Ended:
        """The operator of a running session, judged anew by the row as it is now, or why the session ends.

        The password is another as soon as its hash is: also when Laravel stores the same one anew, as it does
        at a sign-in after BCRYPT_ROUNDS changed, and for «log out other devices». Nobody but the person could
        tell the two apart, and Laravel's own sessions end then too.

        Raises:
            DirectoryUnavailable: it cannot be told now.
        """
        account = self._accounts.of(user_id)
        operator = None if account is None else self._present(account.user)
        if account is None or operator is None:
            return Ended.ROLE_LOST
        if password_digest is None:
            return Ended.REVOKED
        if not hmac.compare_digest(self._digest(account), password_digest):
            return Ended.PASSWORD_CHANGED
        return operator

    def standing(self, user_id: int) -> Operator | None:
        """What a person may do in the console; None once barred, gone, or without a role for it.

        Raises:
            DirectoryUnavailable: it cannot be told now.
        """
        user = self._directory.user(user_id)
        return None if user is None else self._present(user)

    def _digest(self, account: Account) -> str:
        text = f"{account.user.user_id}:{account.password_hash}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _present(self, user: UserFacts) -> Operator | None:
        return None if user.banned or not user.active else self._operator(user)

    def _operator(self, user: UserFacts) -> Operator | None:
        console_role = self._roles.of(user.role)
        if console_role is None:
            return None
        level = self._roles.ladder.level(user.role)
        return Operator(user.user_id, user.name, user.role, level, console_role)
