"""Who may enter the dashboard."""

import bcrypt
import pytest

from mechamap.auth.passwords import Passwords
from mechamap.auth.signin import Operator, SignIn
from mechamap.domain.console import ConsoleRole
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.roles import Level
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory
from tests.store import shapes
from tests.store.site import Serving, Site

PASSWORD = "correct horse"
HASH = "$2y$" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().removeprefix("$2b$")


def sign_in_at(site: Site, server_for: Serving, **settings: str) -> SignIn:
    server = server_for(site.url, DIRECTORY_CACHE_SECONDS="0", **settings)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    accounts = Accounts(server.databases.laravel, directory.schema)
    return SignIn(accounts, directory, server.settings.console_roles, Passwords())


@pytest.fixture
def sign_in(application_site: Site, server_for: Serving) -> SignIn:
    for number, name, role in (
        (1, "anna", "super_admin"),
        (2, "binh", "content_admin"),
        (3, "chi", "moderator"),
        (7, "hoa", "member"),
    ):
        application_site.add_user(number, name, role=role, password=HASH)
    application_site.add_user(4, "dung", role="admin", password=HASH, banned_at="2026-01-01 00:00:00")
    application_site.add_user(5, "eve", role="admin", password=HASH, status="Registered")
    application_site.add_user(6, "giang", role="royalty", password=HASH)
    return sign_in_at(application_site, server_for)


def code_of(sign_in: SignIn, login: str, password: str) -> str:
    with pytest.raises((AuthenticationFailed, Forbidden)) as refusal:
        sign_in.check(login, password)
    return refusal.value.code


@pytest.mark.parametrize("login", ["anna", "anna@example.test", "  anna@example.test "])
def test_an_administrator_enters_by_name_or_address(sign_in: SignIn, login: str) -> None:
    assert sign_in.check(login, PASSWORD) == Operator(
        1, "anna", "super_admin", Level.SUPER_ADMIN, ConsoleRole.ADMINISTRATOR
    )


def test_what_a_role_of_the_application_may_depends_on_its_level(sign_in: SignIn) -> None:
    binh = sign_in.check("binh", PASSWORD)
    assert (binh.level, binh.console_role) == (Level.ADMIN, ConsoleRole.OPERATOR)
    assert sign_in.check("chi", PASSWORD).console_role is ConsoleRole.VIEWER


@pytest.mark.parametrize("login", ["hoa", "giang"])
def test_a_lower_or_unknown_role_does_not_enter(sign_in: SignIn, login: str) -> None:
    assert code_of(sign_in, login, PASSWORD) == "role_too_low"


@pytest.mark.parametrize(
    "login", ["anna", "nobody", "", " ", "x" * 500, "' OR 1=1 --", "\ud800", "%", "a_na"]
)
def test_wrong_and_unknown_are_the_same_answer(sign_in: SignIn, login: str) -> None:
    assert code_of(sign_in, login, "wrong") == "credentials_invalid"


@pytest.mark.parametrize(("login", "code"), [("dung", "user_banned"), ("eve", "user_inactive")])
def test_a_barred_administrator_is_told_so_only_with_the_right_password(
    sign_in: SignIn, login: str, code: str
) -> None:
    assert code_of(sign_in, login, PASSWORD) == code
    assert code_of(sign_in, login, "wrong") == "credentials_invalid"


def test_a_name_that_is_anothers_address_opens_for_neither(application_site: Site, sign_in: SignIn) -> None:
    application_site.add_user(
        10, "anna@example.test", role="admin", password=HASH, email="trick@example.test"
    )
    assert code_of(sign_in, "anna@example.test", PASSWORD) == "credentials_invalid"
    assert sign_in.check("anna", PASSWORD).user_id == 1


def test_a_user_without_a_password_cannot_sign_in(application_site: Site, sign_in: SignIn) -> None:
    application_site.add_user(11, "khanh", role="admin", password="")
    assert code_of(sign_in, "khanh", "") == "credentials_invalid"


def test_where_users_have_no_passwords_at_all_nobody_signs_in(site: Site, server_for: Serving) -> None:
    site.create(shapes.PLAN)
    site.add("users", id=1, name="Anna", email="anna@example.test", role="super_admin")
    assert code_of(sign_in_at(site, server_for), "anna@example.test", PASSWORD) == "credentials_invalid"


def test_a_session_ends_with_the_right_to_it(application_site: Site, sign_in: SignIn) -> None:
    assert sign_in.still(1).level is Level.SUPER_ADMIN
    application_site.execute("UPDATE users SET role = 'member' WHERE id = 1")
    assert sign_in.still(1) is None
    application_site.execute(
        "UPDATE users SET role = 'admin', banned_at = '2026-01-01 00:00:00' WHERE id = 1"
    )
    assert sign_in.still(1) is None
    assert sign_in.still(404) is None


def test_the_level_of_a_role_is_a_setting(
    application_site: Site, sign_in: SignIn, server_for: Serving
) -> None:
    other = sign_in_at(application_site, server_for, ROLE_LEVELS="royalty=super_admin")
    assert other.check("giang", PASSWORD).level is Level.SUPER_ADMIN


def test_what_a_role_is_in_the_console_is_a_setting(
    application_site: Site, sign_in: SignIn, server_for: Serving
) -> None:
    changed = "royalty=viewer, moderator = none,content_admin=administrator"
    other = sign_in_at(application_site, server_for, CONSOLE_ROLES=changed)
    assert other.check("giang", PASSWORD) == Operator(6, "giang", "royalty", None, ConsoleRole.VIEWER)
    assert other.check("binh", PASSWORD).console_role is ConsoleRole.ADMINISTRATOR
    assert code_of(other, "chi", PASSWORD) == "role_too_low"
    assert other.still(3) is None
