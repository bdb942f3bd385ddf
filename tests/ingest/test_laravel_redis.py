"""Messages of Laravel's redis driver: what they mean, and every way in which they may be wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.errors import InvalidField, InvalidRequest, PayloadTooLarge, RealtimeError
from mechamap.domain.twins import twin_of
from mechamap.domain.wire import RESERVED_EVENTS
from mechamap.ingest.laravel_redis import ORIGIN, read_event, read_messages

# As Laravel 8.83 wrote it to a private Redis.
OBSERVED = (
    rb'{"event":"App\\Events\\NotificationSent","data":{"id":5,"title":"Xin ch\u00e0o \/ hi","float":1,'
    rb'"empty":[],"socket":null},"socket":null}'
)
PREFIX = "mechamap_database_"
LIMIT = 100_000


def message(**changes: object) -> bytes:
    fields = {"event": "news", "data": {"n": 1, "socket": None}, "socket": None, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def read(*messages: tuple[str, bytes]) -> tuple[list, list[str]]:
    """Publications, and codes of what was refused."""
    codes: list[str] = []
    pairs = [(PREFIX.encode() + name.encode(), text) for name, text in messages]
    found = read_messages(pairs, PREFIX, LIMIT, lambda err: codes.append(err.code))
    return found, codes


def test_what_laravel_was_seen_to_send_is_understood():
    [publication], codes = read(("private-user.7", OBSERVED))
    assert codes == []
    assert publication.rooms == ("user:7",)
    assert publication.channels[0].name == "private-user.7"
    assert publication.event == r"App\Events\NotificationSent"
    assert publication.payload == '{"id":5,"title":"Xin chào / hi","float":1,"empty":[]}'.encode()
    assert (publication.except_id, publication.origin) == (None, ORIGIN)


def test_the_senders_connection_is_left_out_and_its_id_stays_here():
    text = message(data={"n": 1, "socket": "1234.5678"}, socket="1234.5678")
    [publication], _ = read(("public.news", text))
    assert publication.except_id == "1234.5678"
    assert publication.payload == b'{"n":1}'


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (None, b"null"),
        ([], b"[]"),
        ({}, b"{}"),
        ({"socket": None}, b"{}"),
        ([{"socket": 1}], b'[{"socket":1}]'),
        ({"inner": {"socket": 1}}, b'{"inner":{"socket":1}}'),
        ("text", b'"text"'),
        (2**70, b"1180591620717411303424"),
    ],
)
def test_only_the_data_of_an_object_has_the_key_that_laravel_adds(data, payload):
    assert read_event(message(data=data), LIMIT).payload == payload


def test_an_absent_or_empty_socket_excludes_nobody():
    for socket in (..., None, ""):
        assert read_event(message(socket=socket), LIMIT).socket is None


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        (b"", InvalidRequest, "invalid_request"),
        (b"O:8:\"stdClass\":0:{}", InvalidRequest, "invalid_request"),
        (b"\x80\x04\xff", InvalidRequest, "invalid_request"),
        (b'{"event":"e","data":"\xff"}', InvalidRequest, "invalid_request"),
        (b'{"event":"e","data":NaN}', InvalidRequest, "invalid_request"),
        (b'{"event":"e","data":1e999}', InvalidRequest, "invalid_request"),
        (rb'{"event":"e","data":"\ud800"}', InvalidRequest, "invalid_request"),
        (b"[" * 100_000, InvalidRequest, "invalid_request"),
        (b"[]", InvalidRequest, "invalid_request"),
        (b"7", InvalidRequest, "invalid_request"),
        (message(event=...), InvalidField, "event_required"),
        (message(event=5), InvalidField, "event_invalid"),
        (message(event="x" * 201), InvalidField, "event_too_long"),
        (message(data=...), InvalidField, "data_required"),
        (message(data=json.loads("[" * 40 + "]" * 40)), InvalidField, "data_too_deep"),
        (message(socket=7), InvalidField, "socket_invalid"),
        (message(socket="x" * 101), InvalidField, "socket_invalid"),
        (message(data="x" * LIMIT), PayloadTooLarge, "payload_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(text, error, code):
    with pytest.raises(error) as refusal:
        read_event(text, LIMIT)
    assert refusal.value.code == code
    found, codes = read(("public.news", text), ("public.news", message()))
    assert (len(found), codes) == (1, [code])


@pytest.mark.parametrize("event", sorted(RESERVED_EVENTS))
def test_reserved_names_are_refused_as_everywhere(event):
    assert read(("public.news", message(event=event))) == ([], ["event_reserved"])


@pytest.mark.parametrize(
    "name",
    ["", "private-user.22abc", "private-x", "mechamap_database_public.news", "horizon:x", "public.x\n"],
)
def test_names_outside_the_grammar_are_refused(name):
    found, codes = read((name, message()))
    assert found == []
    assert codes in (["channel_unknown"], ["channel_required"])


def test_a_name_that_is_no_text_is_refused():
    codes: list[str] = []
    assert (
        read_messages([(PREFIX.encode() + b"\xff", message())], PREFIX, LIMIT, lambda e: codes.append(e.code))
        == []
    )
    assert codes == ["channel_unknown"]


def test_one_event_on_several_channels_is_one_publication():
    found, codes = read(("public.a", OBSERVED), ("private-user.7", OBSERVED), ("forum.3", OBSERVED))
    assert codes == []
    assert [publication.rooms for publication in found] == [("public:a", "user:7", "forum:3")]


def test_the_same_event_twice_on_a_channel_is_two_publications():
    found, _ = read(*[("public.a", OBSERVED)] * 3)
    assert [publication.rooms for publication in found] == [("public:a",)] * 3
    assert len({publication.id for publication in found}) == 3
    found, _ = read(*[("public.a", OBSERVED), ("public.b", OBSERVED)] * 2)
    assert [publication.rooms for publication in found] == [("public:a", "public:b")] * 2


def test_equal_events_with_another_between_them_stay_apart_and_in_order():
    other = message(event="other")
    found, _ = read(("public.a", OBSERVED), ("public.a", other), ("public.b", OBSERVED))
    assert [publication.event for publication in found] == [
        r"App\Events\NotificationSent",
        "other",
        r"App\Events\NotificationSent",
    ]


def test_one_wrong_channel_of_several_does_not_keep_the_others_from_it():
    found, codes = read(
        ("nope", OBSERVED), ("public.a", OBSERVED), ("nope", OBSERVED), ("public.b", OBSERVED)
    )
    assert [publication.rooms for publication in found] == [("public:a", "public:b")]
    assert codes == ["channel_unknown"] * 2


def test_more_channels_than_a_publication_may_have_are_several():
    found, _ = read(*[(f"public.c{n}", OBSERVED) for n in range(250)])
    assert [len(publication.channels) for publication in found] == [100, 100, 50]


json_values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=30) | st.sampled_from([b"public.a", b"private-user.7"]),
            st.binary(max_size=60)
            | st.dictionaries(st.sampled_from(["event", "data", "socket"]), json_values).map(
                lambda body: json.dumps(body).encode()
            ),
        ),
        max_size=5,
    )
)
def test_nothing_whatever_raises(messages):
    refused: list[RealtimeError] = []
    found = read_messages([(b"p_" + name, text) for name, text in messages], "p_", LIMIT, refused.append)
    assert sum(len(publication.channels) for publication in found) + len(refused) == len(messages)
    for publication in found:
        json.loads(publication.payload)


def received(**changes: object) -> bytes:
    return message(event="notification.received", data={"id": 41, "title": "x", **changes})


def test_a_private_notification_goes_to_its_user_alone():
    names = ("private-notifications.role.supplier", "private-user.7", "private-forum.3")
    [publication], codes = read(*[(name, received()) for name in names])
    assert publication.rooms == ("user:7",)
    assert codes == ["channel_withheld"] * 2


def test_neither_does_its_copy_that_comes_alone():
    found, codes = read(("private-forum.3", received()), ("private-notifications.role.x", received(id=42)))
    assert (found, codes) == ([], ["channel_withheld"] * 2)


def test_it_is_the_twin_of_what_the_service_announced():
    [publication], _ = read(("private-user.7", received()))
    assert publication.once == twin_of("notification", publication.channels, {"id": 41})
    for text in (received(id=None), message(data={"id": 41})):
        [publication], _ = read(("private-user.7", text))
        assert publication.once is None
