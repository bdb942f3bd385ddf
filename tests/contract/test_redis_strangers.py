"""Redis is a trust boundary: what other programs write to it is dropped and counted, and breaks nothing."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from mechamap.broker.envelope import (
    MAX_COMMAND_BYTES,
    MAX_PUBLICATION_BYTES,
    Malformed,
    decode_command,
    decode_publication,
    encode_command,
    encode_publication,
)
from mechamap.domain.commands import Action, Command
from mechamap.domain.wire import MOST_CHANNELS
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

NEWS = "mechamap:{rt}:channel:public:news"
COMMANDS = "mechamap:{rt}:commands"


def publication(**changes: Any) -> bytes:
    """A valid envelope with some fields replaced; ``...`` removes a field."""
    fields = {**json.loads(encode_publication(event("x", data={"a": 1}))), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def command(**changes: Any) -> bytes:
    """A valid command message with some fields of the command replaced; ``v`` is the message's."""
    fields = json.loads(encode_command(Command(Action.KICK, user_id=7)))
    fields["v"] = changes.pop("v", 1)
    fields["command"].update(changes)
    return json.dumps(fields).encode()


def stamped(text: bytes) -> bytes:
    """As Redis would send it on, from an epoch of the stranger's own."""
    return b"stranger:7:" + text


def deep(levels: int) -> bytes:
    return publication(data=0).replace(b'"data": 0', b'"data": ' + b"[" * levels + b"]" * levels)


BAD_PUBLICATIONS = {
    "empty": b"",
    "no JSON": b"hello",
    "binary": b"\x80\x04\x95\xff\x00",
    "a list": b"[]",
    "null": b"null",
    "two documents": publication() + publication(),
    "half a document": publication()[:-5],
    "another version": publication(v=2),
    "version as text": publication(v="1"),
    "no version": publication(v=...),
    "no channels": publication(channels=[]),
    "channels as text": publication(channels="public.news"),
    "too many channels": publication(channels=["public.news"] * (MOST_CHANNELS + 1)),
    "a channel outside the grammar": publication(channels=["public.news", "private-user.7abc"]),
    "a session as channel": publication(channels=["12.34"]),
    "a name too long": publication(channels=["public." + "x" * 300]),
    "no event": publication(event=""),
    "event of another type": publication(event=5),
    "event too long": publication(event="x" * 201),
    "no data": publication(data=...),
    "NaN": publication(data=float("nan")),
    "infinity": publication(data=[float("-inf")]),
    "a number out of range": publication(data=0).replace(b'"data": 0', b'"data": 1e999'),
    "half a surrogate pair": publication(data="\ud800"),
    "nested too deep": deep(40),
    "nested far too deep": deep(50_000),
    "an unknown field": publication(room="12.34"),
    "an id of another type": publication(id=7),
    "an empty id": publication(id=""),
    "a time of another type": publication(at="now"),
    "invalid UTF-8": publication(data="?").replace(b'"?"', b'"\xff"'),
}  # fmt: skip

BAD_STAMPS = {
    "none": publication(),
    "no number": b"stranger::" + publication(),
    "a negative number": b"stranger:-7:" + publication(),
    "a number too long": b"stranger:1234567890123456:" + publication(),
    "a number of another script": "stranger:٧:".encode() + publication(),
    "an epoch too short": b"strange:7:" + publication(),
    "an epoch too long": b"strangers:7:" + publication(),
    "only a stamp": b"stranger:7:",
}

BAD_COMMANDS = {
    "no JSON": b"kick",
    "another version": command(v=2),
    "an unknown action": command(action="shutdown"),
    "nobody named": command(user_id=None),
    "two named": command(sid="12.34"),
    "a user as text": command(user_id="7"),
    "too long": command(reason="x" * MAX_COMMAND_BYTES),
    "a publication": publication(),
}


@pytest.fixture
def stranger(redis_server: RedisServer) -> Callable[[str, bytes], None]:
    """Publishes whatever it likes."""
    client = redis_server.client(decode_responses=False)
    return client.publish


@pytest.fixture
def subscribed(redis_worker: Hire) -> Worker:
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    return worker


@pytest.mark.parametrize("message", BAD_PUBLICATIONS.values(), ids=BAD_PUBLICATIONS.keys())
def test_a_malformed_publication_is_refused(message: bytes):
    with pytest.raises(Malformed):
        decode_publication(message)


def test_a_publication_keeps_the_spellings_of_its_channels_and_those_of_a_site():
    names = ["private-thread.7", "user.7.orders", "notifications", "private-App.Models.Order.5"]
    canonical = ["thread:7", "user:7.orders", "public:notifications", "site:private-App.Models.Order.5"]
    read = decode_publication(publication(channels=names))
    assert [channel.name for channel in read.channels] == names
    assert [channel.canonical for channel in read.channels] == canonical


@pytest.mark.parametrize("message", BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
def test_a_malformed_command_is_refused(message: bytes):
    with pytest.raises(Malformed):
        decode_command(message)


def test_the_unchanged_examples_are_well_formed():
    assert decode_publication(publication()).event == "x"
    assert decode_command(command()).user_id == 7


def test_an_oversized_message_is_refused_whatever_it_holds():
    with pytest.raises(Malformed, match="limit"):
        decode_publication(publication(data="x" * MAX_PUBLICATION_BYTES))


def test_what_is_wrong_is_told_without_what_the_message_held():
    for decode, message in (
        (decode_publication, publication(event=["s3cret"], data="s3cret")),
        (decode_publication, publication(s3cret="s3cret")),
        (decode_publication, publication(channels=["s3cret/"])),
        (decode_command, command(action="s3cret")),
    ):
        with pytest.raises(Malformed) as refused:
            decode(message)
        assert "s3cret" not in str(refused.value)


def test_malformed_messages_are_dropped_and_counted_and_the_next_event_arrives(
    subscribed: Worker, stranger: Callable[[str, bytes], None]
):
    for message in BAD_PUBLICATIONS.values():
        stranger(NEWS, stamped(message))
    for message in BAD_COMMANDS.values():
        stranger(COMMANDS, stamped(message))
    for message in BAD_STAMPS.values():
        stranger(NEWS, message)
    subscribed.broker.publish(event("good"))
    subscribed.heard("good")
    assert subscribed.got.commands == []
    sent = len(BAD_PUBLICATIONS) + len(BAD_COMMANDS) + len(BAD_STAMPS)
    assert subscribed.broker.stats()["malformed"] == sent
    assert subscribed.broker.stats()["reconnects"] == 0
    assert subscribed.broker.state().ok


def test_a_publication_on_a_channel_it_does_not_name_is_dropped(
    subscribed: Worker, stranger: Callable[[str, bytes], None]
):
    stranger(NEWS, stamped(publication(channels=["admin.alerts"])))
    stranger(COMMANDS, stamped(publication()))
    subscribed.broker.publish(event("good"))
    subscribed.heard("good")
    assert subscribed.broker.stats()["malformed"] == 2


def test_a_flood_of_malformed_messages_is_logged_once_a_second(
    subscribed: Worker, stranger: Callable[[str, bytes], None], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    for _ in range(300):
        stranger(NEWS, b"rubbish")
    wait_until(lambda: subscribed.broker.stats()["malformed"] == 300, "all of them", 5)
    lines = [record for record in caplog.records if record.getMessage() == "broker_message_dropped"]
    assert 1 <= len(lines) <= 3
    assert "rubbish" not in str([vars(line) for line in lines])


def test_rubbish_in_the_tables_is_not_counted(redis_server: RedisServer, subscribed: Worker):
    client = redis_server.client()
    client.hset("mechamap:{rt}:counts:w1", mapping={"public:news": "many", "public:other": "-5"})
    assert subscribed.broker.channels() == {}
    assert subscribed.broker.publish(event("x")).total == 0
