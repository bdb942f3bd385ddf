"""``flask keys``."""

from tests.services.application import Application

from .conftest import KEY
from .terminal import Runner, widest


def publish(server: Application, key: str) -> int:
    body = {"channel": "public.news", "event": "news", "data": {}}
    return server.post("/api/broadcast", body, headers={"Authorization": f"Bearer {key}"}).status


def test_a_new_key_is_all_that_goes_to_stdout_and_it_publishes(here: Runner, server: Application, eventually):
    made = here.flask("keys", "create", "laravel").succeeded()
    secret = made.out.strip()
    assert secret.startswith("mmk_") and "\n" not in secret
    assert secret not in made.err
    eventually(lambda: publish(server, secret) == 200)


def test_a_key_within_a_scope_publishes_nowhere_else(here: Runner, server: Application, eventually):
    made = here.flask("keys", "create", "forums", "--scope", "forum.*", "--json").succeeded().json()
    assert made["scopes"] == ["forum.*"]
    eventually(lambda: publish(server, made["secret"]) == 403)


def test_the_list_never_shows_a_secret(here: Runner):
    secret = here.flask("keys", "create", "listed").succeeded().out.strip()
    shown, told = here.flask("keys", "list").succeeded(), here.flask("keys", "list", "--json").succeeded()
    assert "listed" in shown.out and "every channel" in shown.out
    assert widest(shown.said) <= 80
    for text in (shown.said, told.said):
        assert secret not in text and KEY not in text
    assert "listed" in [row["name"] for row in told.json()]


def test_a_revoked_key_is_refused_within_seconds(here: Runner, server: Application, eventually):
    secret = here.flask("keys", "create", "short-lived").succeeded().out.strip()
    here.flask("keys", "revoke", "short-lived", "--yes").succeeded()
    eventually(lambda: publish(server, secret) == 401)


def test_a_key_is_revoked_by_its_id_too(here: Runner):
    made = here.flask("keys", "create", "numbered", "--json").succeeded().json()
    assert (
        here.flask("keys", "revoke", str(made["id"]), "--yes", "--json").succeeded().json()["live"] is False
    )


def test_nothing_is_revoked_unasked(here: Runner):
    here.flask("keys", "create", "kept").succeeded()
    here.flask("keys", "revoke", "kept").refused("Revoke key 'kept'", "--yes", code=2)
    kept = next(row for row in here.flask("keys", "list", "--json").json() if row["name"] == "kept")
    assert kept["live"]


def test_an_unknown_key_and_a_name_in_use_are_refused_in_a_sentence(here: Runner):
    here.flask("keys", "create", "taken").succeeded()
    here.flask("keys", "create", "taken").refused("already called 'taken'")
    here.flask("keys", "revoke", "nobody", "--yes").refused("No live key", "'nobody'")


def test_without_our_tables_the_refusal_says_how_to_make_them(alone: Runner):
    alone.flask("keys", "create", "early").refused("flask db upgrade")


def test_a_rotated_key_publishes_with_both_secrets_until_the_old_one_is_revoked(
    here: Runner, server: Application, eventually
):
    first = here.flask("keys", "create", "turning").succeeded().out.strip()
    turned = here.flask("keys", "rotate", "turning", "--keep", "1h").succeeded()
    second = turned.out.strip()
    assert second.startswith("mmk_") and second not in turned.err
    eventually(lambda: (publish(server, first), publish(server, second)) == (200, 200))
    rows = [row for row in here.flask("keys", "list", "--json").json() if row["name"] == "turning"]
    assert [(row["current"], row["live"]) for row in rows] == [(True, True), (False, True)]
    assert "until 2" in here.flask("keys", "list").succeeded().out
    here.flask("keys", "revoke", str(rows[1]["id"]), "--yes").succeeded()
    eventually(lambda: (publish(server, first), publish(server, second)) == (401, 200))


def test_a_leaked_secret_is_refused_after_asking(here: Runner):
    here.flask("keys", "create", "leaked").succeeded()
    here.flask("keys", "rotate", "leaked", "--now").refused("--yes", code=2)
    told = here.flask("keys", "rotate", "leaked", "--now", "--yes", "--json").succeeded().json()
    assert (told["live"], told["before"]["live"]) == (True, False)
    here.flask("keys", "rotate", "leaked", "--keep", "91d").refused("90 days", code=2)
    here.flask("keys", "rotate", "nobody").refused("No live key")


def test_scopes_are_changed_after_asking(here: Runner):
    here.flask("keys", "create", "widening", "--scope", "forum.*").succeeded()
    here.flask("keys", "scopes", "widening").refused("--everything", code=2)
    here.flask("keys", "scopes", "widening", "--everything").refused("instead of forum.*", "--yes", code=2)
    told = (
        here.flask("keys", "scopes", "widening", "--scope", "public.*", "--yes", "--json").succeeded().json()
    )
    assert told["scopes"] == ["public.*"]
    assert (
        "every channel" in here.flask("keys", "scopes", "widening", "--everything", "--yes").succeeded().out
    )
