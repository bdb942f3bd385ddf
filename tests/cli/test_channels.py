"""``flask channels``."""

import pytest

from mechamap.domain.grammar import GRAMMAR
from mechamap.domain.roles import DEFAULT_LEVELS

from .terminal import Runner, widest


def test_a_channel_is_listed_with_its_subscribers(browser, here: Runner):
    browser(2).emit_ack("subscribe", {"channel": "public.listed"})
    shown = here.flask("channels", "list").succeeded()
    [told] = [
        row for row in here.flask("channels", "list", "--json").json() if row["name"] == "public.listed"
    ]
    assert told == {"name": "public.listed", "canonical": "public:listed", "kind": "public", "subscribers": 1}
    assert "public.listed" in shown.out and widest(shown.out) <= 80


def test_the_history_of_a_channel_is_printed(here: Runner):
    for n in range(3):
        here.flask("broadcast", "public.history", "told", f'{{"n": {n}}}').succeeded()
    shown = here.flask("channels", "history", "public.history").succeeded()
    assert [f'{{"n": {n}}}' in shown.out for n in range(3)] == [True] * 3
    assert widest(shown.out) <= 80
    told = here.flask("channels", "history", "public.history", "--limit", "2", "--json").succeeded().json()
    assert [past["data"] for past in told["events"]] == [{"n": 1}, {"n": 2}]
    assert (told["complete"], told["reason"]) == (False, "trimmed")
    since = f"{told['epoch']}.{told['events'][0]['offset']}"
    rest = here.flask("channels", "history", "public.history", "--since", since, "--json").succeeded().json()
    assert [past["data"] for past in rest["events"]] == [{"n": 2}]
    assert rest["complete"] is True
    assert here.flask("channels", "history", "public.history", "--since", "yesterday").code == 1
    assert here.flask("channels", "history", "nowhere").code == 1


def test_who_read_the_data_of_events_is_in_the_audit_log(here: Runner, rows):
    said = "SELECT actor, outcome, detail FROM rt_audit_log WHERE action = 'event.open' AND target = "
    here.flask("channels", "history", "public.read").succeeded()
    assert rows(f"{said}'channel:public.read'") == [], "there was nothing to read"
    for text in ("hush", "hush again"):
        here.flask("broadcast", "public.read", "told", f'"{text}"').succeeded()
    here.flask("channels", "history", "public.read", "--limit", "1").succeeded()
    here.flask("channels", "history", "public.read", "--json").succeeded()
    one, both = rows(f"{said}'channel:public.read' ORDER BY id")
    assert one[0].startswith("cli:") and one[:2] == both[:2] == (one[0], "ok")
    assert one[2].startswith("told; publication ") and both[2].startswith("2 events, offsets ")
    assert "hush" not in str((one, both))


def test_the_members_of_a_presence_channel_are_listed_in_pages(browser, here: Runner):
    assert "no member" in here.flask("channels", "members", "presence-thread.1").succeeded().err
    for user in (4, 2):
        answer = browser(user).emit_ack("subscribe", {"channel": "presence-thread.1"})
        assert answer["status"] == "success"
    shown = here.flask("channels", "members", "presence-thread.1").succeeded()
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == ["2", "4"]
    assert widest(shown.out) <= 80
    first = here.flask("channels", "members", "presence-thread.1", "--limit", "1")
    assert "1 of 2; go on with --after 2" in first.succeeded().err
    rest = here.flask("channels", "members", "presence-thread.1", "--after", "2", "--json").json()
    assert ([member["user_id"] for member in rest["members"]], rest["total"], rest["after"]) == ([4], 2, None)
    assert "comes after 9" in here.flask("channels", "members", "presence-thread.1", "--after", "9").err
    here.flask("channels", "members", "forum.1").refused("presence-")


def test_every_rule_and_every_role_is_printed(here: Runner):
    shown = here.flask("channels", "rules").succeeded()
    told = here.flask("channels", "rules", "--json").succeeded().json()
    for spelling in (row.shown for row in GRAMMAR):
        assert spelling in shown.out
    assert sorted(role for roles in told["ladder"].values() for role in roles) == sorted(DEFAULT_LEVELS)
    assert next(iter(told["ladder"])) == "super_admin"
    assert widest(shown.out) <= 80


@pytest.mark.parametrize(
    ("user", "channel", "allowed", "code"),
    [
        (2, "private-user.2", True, "allowed"),
        (3, "private-user.2", False, "not_owner"),
        (2, "presence-thread.3", False, "role_too_low"),
        (3, "presence-thread.6", True, "allowed"),  # hidden, and her own
        (2, "presence-thread.6", False, "thread_hidden"),
        (1, "admin.alerts", True, "allowed"),
        (4, "admin.alerts", False, "role_too_low"),
        (5, "public.news", False, "user_banned"),
        (99, "public.news", False, "user_unknown"),
        (2, "forum.404", False, "forum_not_found"),
    ],
)
def test_a_verdict_is_explained(here: Runner, user: int, channel: str, allowed: bool, code: str):
    told = here.flask("channels", "explain", str(user), channel, "--json").succeeded().json()
    assert (told["allowed"], told["code"]) == (allowed, code)
    shown = here.flask("channels", "explain", str(user), channel).succeeded()
    assert told["reason"] in " ".join(shown.out.split())
    assert shown.out.startswith("allowed" if allowed else f"refused  user {user}, {channel}  [{code}]")
    assert widest(shown.out) <= 80


def test_the_facts_behind_a_verdict_are_shown(here: Runner):
    told = here.flask("channels", "explain", "2", "presence-thread.5", "--json").succeeded().json()
    assert told["facts"]["thread"]["deleted"] is True
    assert told["facts"]["user"] == {
        "user_id": 2, "name": "Binh", "role": "member", "active": True, "banned": False
    }  # fmt: skip


def test_a_name_outside_the_grammar_is_refused(here: Runner):
    here.flask("channels", "explain", "2", "private-user.2abc").refused("No channel has this name")
    here.flask("channels", "explain", "zero", "public.x").refused("USER_ID", code=2)


def test_without_a_table_of_users_the_verdict_says_what_it_rests_on(alone: Runner):
    outcome = alone.flask("channels", "explain", "2", "private-user.2").succeeded()
    assert outcome.out.startswith("allowed")
    assert "no table of users" in outcome.err


def test_a_channel_is_shown_and_its_log_is_purged(browser, server, here: Runner):
    browser(2).emit_ack("subscribe", {"channel": "public.purged"})
    for number in range(3):
        here.flask("broadcast", "public.purged", "news", str(number)).succeeded()
    told = here.flask("channels", "show", "public.purged", "--json").succeeded().json()
    assert (told["reach"]["connections"], told["log"]["events"], told["per_minute"]) == (1, 3, 3)
    assert "news" in here.flask("channels", "show", "public.purged").succeeded().out
    purged = here.flask("channels", "purge", "public.purged", "--yes", "--json").succeeded().json()
    assert purged == {"channel": "public.purged", "events": 3}
    past = here.flask("channels", "history", "public.purged", "--json").json()
    assert (past["events"], past["complete"], past["reason"]) == ([], False, "trimmed")
