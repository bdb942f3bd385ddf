"""Who may enter the dashboard."""

from collections.abc import Callable

import bcrypt
import pytest
from sqlalchemy import Engine

from mechamap.auth import passwords
from mechamap.auth.passwords import Passwords
from mechamap.auth.signin import Operator, SignIn
from mechamap.domain.console import ConsoleRole
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.logins import folded
from mechamap.domain.roles import Level
from mechamap.store.console_sessions import Ended
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory
from tests.store import shapes
from tests.store.site import Server, Serving, Site, Statements

PASSWORD = "correct horse"
SECRET = "a secret of the application"


def hashed(password: str) -> str:
    return "$2y$" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().removeprefix("$2b$")


HASH = hashed(PASSWORD)


@pytest.fixture(autouse=True)
def _nobodys_hash_is_cheap_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "DUMMY_HASH", HASH)


def sign_in_at(site: Site, server_for: Serving, **settings: str) -> SignIn:
    return sign_in_on(server_for(site.url, DIRECTORY_CACHE_SECONDS="0", **settings))


def sign_in_on(server: Server, secret: str = SECRET) -> SignIn:
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    accounts = Accounts(server.databases.laravel, directory.schema)
    return SignIn(accounts, directory, server.settings.console_roles, Passwords(), secret)


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


def operator_of(sign_in: SignIn, login: str) -> Operator:
    return sign_in.check(login, PASSWORD)[0]


def code_of(sign_in: SignIn, login: str, password: str) -> str:
    with pytest.raises((AuthenticationFailed, Forbidden)) as refusal:
        sign_in.check(login, password)
    return refusal.value.code


@pytest.mark.parametrize("login", ["anna", "anna@example.test", "  anna@example.test "])
def test_an_administrator_enters_by_name_or_address(sign_in: SignIn, login: str) -> None:
    assert operator_of(sign_in, login) == Operator(
        1, "anna", "super_admin", Level.SUPER_ADMIN, ConsoleRole.ADMINISTRATOR
    )


def test_what_a_role_of_the_application_may_depends_on_its_level(sign_in: SignIn) -> None:
    binh = operator_of(sign_in, "binh")
    assert (binh.level, binh.console_role) == (Level.ADMIN, ConsoleRole.OPERATOR)
    assert operator_of(sign_in, "chi").console_role is ConsoleRole.VIEWER


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
    assert operator_of(sign_in, "anna").user_id == 1


def test_a_user_without_a_password_cannot_sign_in(application_site: Site, sign_in: SignIn) -> None:
    application_site.add_user(11, "khanh", role="admin", password="")
    assert code_of(sign_in, "khanh", "") == "credentials_invalid"


def test_where_users_have_no_passwords_at_all_nobody_signs_in(site: Site, server_for: Serving) -> None:
    site.create(shapes.PLAN)
    site.add("users", id=1, name="Anna", email="anna@example.test", role="super_admin")
    assert code_of(sign_in_at(site, server_for), "anna@example.test", PASSWORD) == "credentials_invalid"


def test_a_session_ends_with_the_right_to_it(application_site: Site, sign_in: SignIn) -> None:
    anna, password = sign_in.check("anna", PASSWORD)
    assert sign_in.still(1, password) == anna
    application_site.execute("UPDATE users SET role = 'member' WHERE id = 1")
    assert sign_in.still(1, password) is Ended.ROLE_LOST
    application_site.execute(
        "UPDATE users SET role = 'admin', banned_at = '2026-01-01 00:00:00' WHERE id = 1"
    )
    assert sign_in.still(1, password) is Ended.ROLE_LOST
    assert sign_in.still(404, password) is Ended.ROLE_LOST


def test_a_session_ends_with_the_password_it_began_with(application_site: Site, sign_in: SignIn) -> None:
    _, password = sign_in.check("anna", PASSWORD)
    application_site.execute("UPDATE users SET password = :new WHERE id = 1", new=hashed("new"))
    assert sign_in.still(1, password) is Ended.PASSWORD_CHANGED
    application_site.execute("UPDATE users SET password = :old WHERE id = 1", old=HASH)
    assert isinstance(sign_in.still(1, password), Operator)
    application_site.execute("UPDATE users SET password = '' WHERE id = 1")
    assert sign_in.still(1, password) is Ended.PASSWORD_CHANGED


def test_a_hash_that_laravel_renewed_counts_as_another_password(
    application_site: Site, sign_in: SignIn
) -> None:
    """It renews one at a sign-in after BCRYPT_ROUNDS changed; its own sessions end then too."""
    _, password = sign_in.check("anna", PASSWORD)
    application_site.execute("UPDATE users SET password = :new WHERE id = 1", new=hashed(PASSWORD))
    assert sign_in.still(1, password) is Ended.PASSWORD_CHANGED
    assert sign_in.check("anna", PASSWORD)[1] != password


def test_a_session_without_a_digest_is_from_before_and_ends(sign_in: SignIn) -> None:
    assert sign_in.still(1, None) is Ended.REVOKED


def test_whether_a_session_goes_on_is_one_question_to_laravels_database(
    application_site: Site, server_for: Serving, watch: Callable[[Engine], Statements]
) -> None:
    application_site.add_user(1, "anna", role="super_admin", password=HASH)
    server = server_for(application_site.url)  # with its cache on
    sign_in = sign_in_on(server)
    _, password = sign_in.check("anna", PASSWORD)
    asked = watch(server.databases.laravel.engine)
    assert isinstance(sign_in.still(1, password), Operator)
    assert len(asked) == 1
    application_site.execute("UPDATE users SET role = 'member' WHERE id = 1")
    assert sign_in.still(1, password) is Ended.ROLE_LOST, "nothing is remembered of the moment before"


def test_the_kept_digest_is_of_no_use_without_the_applications_secret(
    application_site: Site, server_for: Serving
) -> None:
    application_site.add_user(1, "anna", role="super_admin", password=HASH)
    application_site.add_user(2, "binh", role="super_admin", password=HASH)
    server = server_for(application_site.url, DIRECTORY_CACHE_SECONDS="0")
    ours, others = sign_in_on(server), sign_in_on(server, "another secret")
    anna, binh = (ours.check(name, PASSWORD)[1] for name in ("anna", "binh"))
    assert len({anna, binh, others.check("anna", PASSWORD)[1]}) == 3
    assert ours.still(2, anna) is Ended.PASSWORD_CHANGED, "nor is one person's good for another"
    assert HASH not in anna


@pytest.mark.parametrize(
    ("spelling", "opens"),
    [
        *(("ANNA", True), ("Ánna", True), (" anna ", True), ("ａｎｎａ", True)),
        *(("an\u200bna", False), ("anna\u00ad", False)),
    ],
)
def test_a_spelling_opens_an_account_only_if_tries_with_it_are_counted_with_the_others(
    application_site: Site, sign_in: SignIn, spelling: str, opens: bool
) -> None:
    """MariaDB takes the space of no width for nothing: each would give who guesses twenty more tries."""
    assert (folded(spelling) == folded("anna")) is opens
    if application_site.sqlite and spelling.strip() != "anna":
        opens = False  # it compares letters
    if opens:
        assert operator_of(sign_in, spelling).user_id == 1
    else:
        assert code_of(sign_in, spelling, PASSWORD) == "credentials_invalid"


def test_the_level_of_a_role_is_a_setting(
    application_site: Site, sign_in: SignIn, server_for: Serving
) -> None:
    other = sign_in_at(application_site, server_for, ROLE_LEVELS="royalty=super_admin")
    assert operator_of(other, "giang").level is Level.SUPER_ADMIN


def test_what_a_role_is_in_the_console_is_a_setting(
    application_site: Site, sign_in: SignIn, server_for: Serving
) -> None:
    changed = "royalty=viewer, moderator = none,content_admin=administrator"
    other = sign_in_at(application_site, server_for, CONSOLE_ROLES=changed)
    assert operator_of(other, "giang") == Operator(6, "giang", "royalty", None, ConsoleRole.VIEWER)
    assert operator_of(other, "binh").console_role is ConsoleRole.ADMINISTRATOR
    assert code_of(other, "chi", PASSWORD) == "role_too_low"
    assert other.standing(3) is None
