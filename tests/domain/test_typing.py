"""Where people write, and that what is told of it is of the moment."""

import pytest

from mechamap.domain.channels import parse_channel, parse_channel_of_site
from mechamap.domain.errors import Forbidden
from mechamap.domain.typing import TYPING_EVENTS, check_typed_in
from mechamap.domain.whispers import momentary
from mechamap.domain.wire import check_event


@pytest.mark.parametrize(
    "name",
    [
        "thread.1",
        "presence-thread.1",
        "conversation.1",
        "private-group.1",
        "showcase.1",
        "admin.room",
        "moderator.room",
        "private-anything.of-a-site",
    ],
)
def test_people_write_where_people_talk(name):
    check_typed_in(parse_channel_of_site(name), subscribed=True, guest=False)


@pytest.mark.parametrize(
    "name",
    [
        "public.news",
        "notifications",
        "private-forum.1",
        "private-user.7",
        "user.7.messages",
        "product.1",
        "marketplace.global",
        "marketplace.orders.7",
        "seller.1",
        "notifications.role.member",
        "system.x",
        "open.of-a-site",
    ],
)
def test_nobody_writes_where_everybody_listens_or_nobody_else_does(name):
    with pytest.raises(Forbidden) as refused:
        check_typed_in(parse_channel_of_site(name), subscribed=True, guest=False)
    assert refused.value.code == "typing_channel"


@pytest.mark.parametrize(
    ("subscribed", "guest", "code"), [(False, False, "not_subscribed"), (True, True, "sign_in_required")]
)
def test_only_known_people_who_are_there_write(subscribed, guest, code):
    with pytest.raises(Forbidden) as refused:
        check_typed_in(parse_channel("thread.1"), subscribed=subscribed, guest=guest)
    assert refused.value.code == code


def test_the_events_are_of_the_moment_and_publishers_may_use_them_too():
    assert len(TYPING_EVENTS) == 6
    for event in TYPING_EVENTS:
        assert momentary(event)
        assert check_event(event) == event
