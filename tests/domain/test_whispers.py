"""What browsers may say to each other, and where."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import Forbidden, InvalidField, PayloadTooLarge
from mechamap.domain.whispers import MAX_WHISPER_BYTES, check_whispered_in, momentary, read_whisper


def test_a_whisper_is_as_it_was_said():
    whisper = read_whisper({"channel": "private-user.7", "event": "client-typing", "data": {"é": [1]}})
    assert (whisper.channel, whisper.event, whisper.payload) == (
        "private-user.7", "client-typing", '{"é":[1]}'.encode(),
    )  # fmt: skip
    assert read_whisper({"event": "client-x"}).payload == b"null"


@pytest.mark.parametrize(
    "event", ["typing", "subscribed", "presence:joining", "Client-x", "connect", "", 7, None]
)
def test_browsers_speak_in_nobody_elses_name(event):
    with pytest.raises(InvalidField) as refused:
        read_whisper({"channel": "private-user.7", "event": event, "data": 1})
    assert refused.value.field == "event"


def test_a_whisper_is_short():
    fits = "x" * (MAX_WHISPER_BYTES - 2)
    assert len(read_whisper({"event": "client-x", "data": fits}).payload) == MAX_WHISPER_BYTES
    with pytest.raises(PayloadTooLarge):
        read_whisper({"event": "client-x", "data": fits + "x"})


@pytest.mark.parametrize("data", [[[[]]] * 3, float("nan"), "\ud800"])
def test_data_are_json(data):
    deep = data
    for _ in range(40 if isinstance(data, list) else 0):
        deep = [deep]
    with pytest.raises(InvalidField):
        read_whisper({"event": "client-x", "data": deep})


@pytest.mark.parametrize(
    ("name", "subscribed", "code"),
    [
        ("private-user.7", True, None),
        ("presence-thread.7", True, None),
        ("private-user.7", False, "not_subscribed"),
        ("public.a", True, "whisper_channel"),
        ("forum.1", True, "whisper_channel"),
        ("private-forum.1", True, "whisper_channel"),
    ],
)
def test_only_subscribers_of_guarded_channels_whisper(name, subscribed, code):
    try:
        check_whispered_in(parse_channel(name), subscribed=subscribed)
        assert code is None
    except Forbidden as refused:
        assert refused.code == code


def test_only_whispers_are_of_the_moment():
    assert momentary("client-typing")
    assert not any(map(momentary, ("client", "typing", "", "presence:joining", r"App\Events\client-x")))
