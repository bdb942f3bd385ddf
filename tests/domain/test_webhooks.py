"""What Laravel is told, in Pusher's words and in the names that Laravel uses."""

import json

import pytest

from mechamap.domain.channels import parse_channel, parse_channel_of_site
from mechamap.domain.members import Announcement, Change, Member
from mechamap.domain.publication import Publication
from mechamap.domain.pusher_signature import AppKey, webhook_headers
from mechamap.domain.webhooks import (
    USUAL,
    Mark,
    Notice,
    WebhookEvent,
    body_of,
    client_event,
    member_changed,
    occupied,
    vacated,
)


def told(notice: Notice) -> dict:
    return json.loads(notice.text)


@pytest.mark.parametrize(
    ("canonical", "name"),
    [
        ("thread:7", "presence-thread.7"),
        ("user:5", "private-user.5"),
        ("public:news", "public.news"),
        ("site:presence-room.é", "presence-room.é"),
    ],
)
def test_channels_have_the_names_that_laravel_uses(canonical, name):
    assert told(occupied(canonical)) == {"name": "channel_occupied", "channel": name}
    assert told(vacated(canonical)) == {"name": "channel_vacated", "channel": name}
    assert (vacated(canonical).mark, vacated(canonical).name) == (Mark.VACATED, canonical)


def test_a_state_nobody_wants_to_know_of_changes_without_a_word():
    assert occupied("public:news", told=False) == Notice(b"", Mark.OCCUPIED, "public:news")


def test_members_are_named_by_ids_that_are_text():
    joined = Announcement(Change.JOINING, "thread:7", Member(5, "Anna"))
    left = Announcement(Change.LEAVING, "thread:7", Member(5, "Anna"))
    about = {"channel": "presence-thread.7", "user_id": "5"}
    assert told(member_changed(joined)) == {"name": "member_added", **about}
    assert told(member_changed(left)) == {"name": "member_removed", **about}
    assert (member_changed(left).mark, member_changed(left).name) == (Mark.ID, left.id)


def test_a_browsers_own_event_carries_its_data_as_text_and_its_sender():
    channel = parse_channel("thread.7")
    whisper = Publication((channel,), "client-typing", '{"name":"Anna «é»"}'.encode(), except_id="12.34")
    about = {
        "name": "client_event", "channel": "presence-thread.7", "event": "client-typing",
        "data": '{"name":"Anna «é»"}', "socket_id": "12.34",
    }  # fmt: skip
    assert told(client_event(whisper, channel, 5)) == about
    assert told(client_event(whisper, parse_channel("presence-thread.7"), 5)) == {**about, "user_id": "5"}


def test_a_body_is_as_pushers():
    body = body_of([occupied("site:public-x").text], 1327078148132)
    # Pusher's own example, and what its key signs it with
    assert body == (b'{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"public-x"}]}')
    assert body_of([], 1) == b'{"time_ms":1,"events":[]}'
    key = AppKey("278d425bdf160c739803", "7ad3773142a6692b25b8")
    assert webhook_headers(key, body)["X-Pusher-Signature"] == (
        "830c46ce5be90cd804521d254e6505ca17f79db12248a4e34c2caca5b7b3d190"
    )
    assert parse_channel_of_site("public-x").canonical == "site:public-x"


def test_whispers_are_told_only_where_that_was_said():
    assert set(WebhookEvent) - set(USUAL) == {WebhookEvent.CLIENT_EVENT}
