"""Laravel's password hashes, and the worker's patience."""

import time

import bcrypt
import gevent
import pytest

from mechamap.auth.passwords import DUMMY_HASH, Passwords

# password_hash('password', PASSWORD_BCRYPT) as Laravel's UserFactory has shipped it for years
LARAVELS = "$2y$10$92IXUNpkjO0rOQ5byMi.Ye4oKoEa3Ro9llC/.og/at2.uheWG/igi"


def hashed(password: str, cost: int = 4) -> str:
    return "$2y$" + bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode().removeprefix("$2b$")


@pytest.fixture
def passwords() -> Passwords:
    return Passwords()


def test_a_hash_that_php_made_is_matched(passwords: Passwords) -> None:
    assert passwords.matches("password", LARAVELS)
    assert not passwords.matches("Password", LARAVELS)


def test_letters_of_every_language_are_matched(passwords: Passwords) -> None:
    assert passwords.matches("mật khẩu 🔩", hashed("mật khẩu 🔩"))


def test_only_the_first_72_bytes_count_as_in_php(passwords: Passwords) -> None:
    assert passwords.matches("x" * 72 + "anything", hashed("x" * 72))
    assert not passwords.matches("x" * 71, hashed("x" * 72))


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "x",
        "$2y$",
        "$2y$10$short",
        "$argon2id$v=19$m=65536,t=4,p=1$c2FsdA$aGFzaA",
        "đ" * 60,
        LARAVELS[:-1],
    ],
)
def test_a_broken_or_foreign_hash_matches_nothing(passwords: Passwords, broken: str) -> None:
    assert not passwords.matches("password", broken)


@pytest.mark.parametrize("odd", ["", "\x00", "pass\x00word", "\ud800"])
def test_an_odd_password_is_wrong_and_not_an_error(passwords: Passwords, odd: str) -> None:
    assert not passwords.matches(odd, LARAVELS)


def test_an_unknown_user_costs_as_much_time_as_a_known_one(passwords: Passwords) -> None:
    def cost(stored: str | None) -> float:
        started = time.process_time()
        assert not passwords.matches("wrong", stored)
        return time.process_time() - started

    known, unknown = cost(hashed("right", cost=12)), cost(None)
    assert known / 3 < unknown < known * 3


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        hashed("right"),
        hashed("right", 10),
        hashed("right", 12),
        "$argon2id$v=19$m=65536$c2FsdA$aGE",
    ],
    ids=["nobody", "none", "cost 4", "cost 10", "cost 12", "not bcrypt"],
)
def test_every_no_is_the_same_work_whatever_the_hash_costs(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch, stored: str | None
) -> None:
    rounds: list[int] = []
    compare = bcrypt.checkpw

    def counted(password: bytes, hash_: bytes) -> bool:
        rounds.append(2 ** int(hash_[4:6]))
        return compare(password, hash_)

    monkeypatch.setattr("mechamap.auth.passwords.bcrypt.checkpw", counted)
    assert not passwords.matches("wrong", stored)
    assert sum(rounds) == 2**12
    assert not passwords.matches("wrong", hashed("right", 13))
    rounds.clear()
    assert not passwords.matches("wrong", stored)
    assert sum(rounds) == 2**13, "where somebody's hash costs more, everybody's no does"


def test_not_even_the_text_behind_the_dummy_hash_lets_an_unknown_user_in(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mechamap.auth.passwords.DUMMY_HASH", hashed("guessed"))
    assert not passwords.matches("guessed", None)


def test_the_dummy_has_the_cost_that_laravel_11_uses() -> None:
    assert DUMMY_HASH.startswith("$2y$12$")
    assert len(DUMMY_HASH) == 60


def test_the_worker_goes_on_while_passwords_are_compared(passwords: Passwords) -> None:
    stored = hashed("right", cost=11)
    pauses = [0.0]
    last = time.monotonic()
    jobs = [gevent.spawn(passwords.matches, "right", stored) for _ in range(3)]
    while not all(job.ready() for job in jobs):
        gevent.sleep(0.005)
        pauses.append(time.monotonic() - last)
        last = time.monotonic()
    assert all(job.get() for job in jobs)
    assert len(pauses) > 10
