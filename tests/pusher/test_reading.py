"""What apps may look at, and sending users away."""

from tests.services.processes import wait_until

from .conftest import Place, refused

THREAD = "presence-thread.20"


def get(place: Place, path: str, **query: str):
    return place.call("GET", f"{{app}}/channels{path}", query=query)


def test_without_channels_the_list_is_an_empty_object(place: Place):
    answer = get(place, "", filter_by_prefix="admin.nobody")
    assert (answer.status, answer.body) == (200, b'{"channels":{}}')


def test_channels_with_subscribers_and_what_is_asked_of_them(place: Place, browser):
    staff = [place.site.browser(user_id, transports=["websocket"]) for user_id in (1, 4, 4)]
    for page in staff:
        page.emit("subscribe", {"channel": THREAD})
    counts = {"subscription_count": 3, "user_count": 2}
    both = "subscription_count,user_count"
    wait_until(lambda: get(place, f"/{THREAD}", info=both).json() == {"occupied": True, **counts}, "counts")

    assert get(place, "", filter_by_prefix="presence-thread.2", info=both).json() == {
        "channels": {THREAD: counts}
    }
    listed = get(place, "").json()["channels"]
    assert listed["public.news"] == {} == listed["private-user.2"]
    assert get(place, "", filter_by_prefix="public.", info="subscription_count").json() == {
        "channels": {"public.news": {"subscription_count": 1}}
    }
    assert get(place, "/public.news").json() == {"occupied": True}
    assert get(place, "/public.news", info="subscription_count,cache").json() == {
        "occupied": True,
        "subscription_count": 1,
    }
    assert get(place, f"/{THREAD}/users").json() == {"users": [{"id": "1"}, {"id": "4"}]}


def test_a_channel_without_subscribers(place: Place):
    empty = {"occupied": False, "subscription_count": 0, "user_count": 0}
    assert get(place, "/presence-thread.99", info="subscription_count,user_count").json() == empty
    assert get(place, "/presence-thread.99/users").json() == {"users": []}


def test_users_are_of_presence_channels_only(place: Place):
    for answer in (
        get(place, "", info="user_count"),
        get(place, "", info="user_count", filter_by_prefix="public."),
        get(place, "/public.news", info="user_count"),
        get(place, "/public.news/users"),
    ):
        assert "Cannot retrieve the user count" in refused(answer, 400, "info_invalid")["error"]


def test_what_cannot_be_asked(place: Place):
    refused(get(place, "", info="secrets"), 400, "info_invalid")
    refused(get(place, "/no-such-channel"), 400, "channel_unknown")
    refused(get(place, "/no-such-channel/users"), 400, "channel_unknown")


def test_a_users_connections_are_ended_and_nobody_elses(place: Place, browser):
    pages = [place.site.browser(3) for _ in range(2)]
    for path in ("{app}/users/3/terminate_connections",):
        answer = place.call("POST", path, {})
        assert (answer.status, answer.body) == (200, b"{}")
    for page in pages:
        assert page.wait_for("force_disconnect")[0]["code"] == "terminated"
        page.wait_for("disconnect")
    assert browser.connected()


def test_by_the_path_that_one_library_sends(place: Place):
    page = place.site.browser(3)
    assert place.call("POST", "/users/3/terminate_connections", {}).body == b"{}"
    assert page.wait_for("force_disconnect")[0]["code"] == "terminated"


def test_a_user_that_cannot_be_and_one_who_is_not_here(place: Place):
    for user in ("anna", "0", "-1", "9" * 20, "%EF%BC%95"):
        answer = place.call("POST", f"{{app}}/users/{user}/terminate_connections", {})
        refused(answer, 400, "user_id_invalid")
    assert place.call("POST", "{app}/users/777/terminate_connections", {}).body == b"{}"
