"""One person's notification reaches no channel that others may join, and its two announcements are one."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import InvalidChannel
from mechamap.domain.privacy import PRIVATE_EVENT, addressed
from mechamap.domain.twins import TWIN_SECONDS, twin_of
from mechamap.domain.wire import read_broadcast


def channels(*names: str) -> tuple:
    return tuple(map(parse_channel, names))


def test_a_notification_stays_with_its_user():
    own = ["private-user.7", "private-marketplace.seller.3", "private-marketplace.orders.7"]
    others = ["private-notifications.role.supplier", "private-forum.3", "thread.1", "group.4", "public.x"]
    kept, withheld = addressed(PRIVATE_EVENT, channels(*own, *others))
    assert [each.name for each in kept] == own
    assert [each.name for each in withheld] == others


def test_other_events_go_where_they_are_sent():
    given = channels("forum.3", "private-user.7")
    assert addressed("notification", given) == (given, ())


def test_a_notification_for_nobody_is_refused():
    with pytest.raises(InvalidChannel) as refused:
        addressed(PRIVATE_EVENT, channels("forum.3", "public.x"))
    assert refused.value.code == "channel_withheld"


def test_the_plans_body_cannot_publish_it_elsewhere_either():
    body = {"event": PRIVATE_EVENT, "data": {"id": 1}}
    publication = read_broadcast({**body, "channels": ["private-user.7", "forum.3"]}, "k")
    assert publication.rooms == ("user:7",)
    assert [each.name for each in publication.withheld] == ["forum.3"]
    with pytest.raises(InvalidChannel):
        read_broadcast({**body, "channel": "forum.3"}, "k")


def test_both_announcements_of_a_row_have_one_name():
    first = twin_of("notification", channels("private-user.7"), {"id": 5, "title": "a"})
    second = twin_of(PRIVATE_EVENT, channels("private-user.7"), {"id": "5", "title": "b"})
    assert first == second
    assert first.seconds == TWIN_SECONDS


@pytest.mark.parametrize(
    ("event", "names", "data"),
    [
        ("notification", ["private-user.8"], {"id": 5}),
        ("notification", ["private-user.7"], {"id": 6}),
    ],
)
def test_another_row_or_user_has_another(event, names, data):
    assert twin_of(event, channels(*names), data) != twin_of(
        "notification", channels("private-user.7"), {"id": 5}
    )


@pytest.mark.parametrize(
    ("event", "names", "data"),
    [
        ("notification.sent", ["private-user.7"], {"id": 5}),
        ("notification", ["public.x"], {"id": 5}),
        ("notification", ["private-user.7", "private-user.8"], {"id": 5}),
        ("notification", ["private-user.7"], {}),
        ("notification", ["private-user.7"], [5]),
        ("notification", ["private-user.7"], {"id": None}),
        ("notification", ["private-user.7"], {"id": True}),
        ("notification", ["private-user.7"], {"id": 0}),
        ("notification", ["private-user.7"], {"id": ""}),
        ("notification", ["private-user.7"], {"id": 10**5000}),
        ("notification", ["private-user.7"], {"id": "x" * 65}),
    ],
)
def test_what_is_no_announcement_of_one_row_to_one_user_has_none(event, names, data):
    assert twin_of(event, channels(*names), data) is None
