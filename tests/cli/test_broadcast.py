"""``flask broadcast``."""

import json

import pytest

from .terminal import Runner


def test_a_broadcast_reaches_a_real_browser_of_another_process(browser, here: Runner):
    client = browser(2)
    outcome = here.flask(
        "broadcast", "private-user.2", "notification.sent", '{"title": "Chào Bình"}'
    ).succeeded()
    assert client.wait_for("notification.sent")[0] == {"title": "Chào Bình"}
    assert "private-user.2: 1 subscriber, id " in outcome.out


def test_the_answer_in_json_names_the_publication(browser, here: Runner):
    browser(3)
    told = here.flask("broadcast", "private-user.3", "hello", "null", "--json").succeeded().json()
    assert told["subscribers"] == 1 and len(told["id"]) == 32


def test_the_data_may_come_from_standard_input(browser, here: Runner):
    client = browser(4)
    here.flask(
        "broadcast", "private-user.4", "long", "-", stdin=json.dumps({"text": "x" * 50_000})
    ).succeeded()
    assert len(client.wait_for("long")[0]["text"]) == 50_000


def test_a_broadcast_to_nobody_says_so(here: Runner):
    outcome = here.flask("broadcast", "public.nowhere", "hello", "{}").succeeded()
    assert "0 subscribers" in outcome.out and "Nobody is subscribed" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("user.x", "hello", "{}"), "No channel has this name"),
        (("public.x", "disconnect", "{}"), "reserved"),
        (("public.x", "hello", "{text: 1}"), "Mind the shell's quotes"),
        (("public.x", "hello", '{"a": NaN}'), "JSON cannot be read"),
        (("public.x", "hello", "[" * 5000), "JSON cannot be read"),
        (("public.x", "hello", "[" * 40 + "]" * 40), "nested"),
        (("public.x", "hello", '"' + "x" * 100_001 + '"'), "limit is 100000 bytes"),
    ],
)
def test_what_no_publisher_may_send_is_refused_in_a_sentence(here: Runner, arguments: tuple, word: str):
    here.flask("broadcast", *arguments).refused(word)


def test_what_cannot_be_published_is_refused_before_the_server_is_asked(alone: Runner):
    alone.flask("broadcast", "nonsense", "hello", "{}").refused("No channel has this name")


def test_without_a_server_the_broadcast_fails_instead_of_reaching_nobody(alone: Runner):
    alone.flask("broadcast", "public.x", "hello", "{}").refused(
        "does not answer at http://127.0.0.1:9", "make run", "REDIS_URL"
    )


def test_the_audit_log_has_the_broadcast_and_not_its_data(here: Runner, rows):
    here.flask("broadcast", "public.audited", "hello", '{"secret": "hush"}').succeeded()
    written = rows("SELECT actor, target, outcome, detail FROM rt_audit_log WHERE action = 'event.publish'")
    assert ("channel:public.audited", "ok", "event: hello") in {row[1:] for row in written}
    assert "hush" not in str(written)
