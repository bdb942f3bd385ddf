"""The cases of Socket.IO v5's published test suite, over both transports, with the suite's own settings."""

import json
import time

import pytest

from .conftest import HERE
from .peers import PEERS

BLOBS = [b"\x01\x02\x03", b"\x04\x05\x06"]
PLACES = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


@pytest.fixture(scope="module")
def suite(serve_module):
    options = {"ping_interval": 0.3, "ping_timeout": 0.2, "connect_timeout": 1.0}
    return serve_module(
        {"ENGINE": json.dumps(options)},
        app="tests.engine.suite_application:sockets",
        config=HERE / "gunicorn_settings.py",
    )


@pytest.fixture(params=sorted(PEERS))
def peer(request, suite):
    with PEERS[request.param](suite.port) as made:
        yield made


@pytest.fixture
def joined(peer):
    join(peer)
    return peer


def join(peer, namespace: str = "", auth: str = "") -> str:
    """CONNECT; the socket id. What the connect handler emits must follow the answer and show the auth."""
    prefix = f"{namespace}," if namespace else ""
    peer.send(f"40{prefix}{auth}")
    answer = peer.packet()
    assert answer.startswith(f"40{prefix}{{"), answer
    body = json.loads(answer[2 + len(prefix) :])
    assert list(body) == ["sid"]
    name, seen = json.loads(peer.packet().removeprefix(f"42{prefix}"))
    assert (name, seen) == ("auth", json.loads(auth or "{}"))
    return body["sid"]


def ended(peer) -> bool:
    with pytest.raises(EOFError):
        while True:
            peer.packet()
    return True


# --- connect ---


@pytest.mark.parametrize("namespace", ["", "/custom"])
@pytest.mark.parametrize("auth", ["", '{"token":"123"}', "{}"])
def test_a_namespace_is_connected_to_with_its_payload(peer, namespace, auth):
    assert join(peer, namespace, auth) != peer.opening["sid"]


def test_main_and_custom_namespaces_have_different_ids(peer):
    assert join(peer) != join(peer, "/custom")


def test_an_unknown_namespace_is_named_invalid_and_the_session_lives(peer):
    peer.send("40/random")
    assert peer.packet() == '44/random,{"message":"Invalid namespace"}'
    assert join(peer)


@pytest.mark.parametrize("handshake", ["4abc", "40[]", '40"text"', "40null}", "40/custom,[]", "4"])
def test_an_invalid_handshake_ends_the_session(peer, handshake):
    peer.send(handshake)
    assert ended(peer)


def test_a_session_without_a_handshake_ends_at_its_deadline(peer):
    began = time.monotonic()
    assert ended(peer)
    assert time.monotonic() - began >= 0.9


def test_a_second_handshake_ends_the_session(joined):
    joined.send("40")
    assert ended(joined)


@pytest.mark.parametrize("packet", ['42["message",1]', '421["message-with-ack",1]', "41", "430[]"])
def test_what_comes_before_the_handshake_is_not_handled(peer, packet):
    peer.send(packet)
    try:
        join(peer)
    except EOFError:
        pass  # ending such a session is as right


# --- disconnect ---


def test_after_leaving_the_main_namespace_its_events_reach_nobody(joined):
    joined.send("41", '42["message","to the main namespace"]')
    assert joined.raw() == "2"


def test_leaving_a_custom_namespace_leaves_the_main_one_open(joined):
    join(joined, "/custom")
    joined.send("41/custom,", '42/custom,["message","lost"]', '42["message","to the main namespace"]')
    assert joined.packet() == '42["message-back","to the main namespace"]'


def test_a_namespace_can_be_entered_again_with_a_new_id(joined):
    first = join(joined, "/custom")
    joined.send("41/custom,")
    assert join(joined, "/custom") != first


# --- message ---


@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_plain_text_goes_both_ways(joined, namespace):
    if namespace:
        join(joined, "/custom")
    joined.send(f'42{namespace}["message",1,"2",{{"3":[true]}}]')
    assert joined.packet() == f'42{namespace}["message-back",1,"2",{{"3":[true]}}]'


@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_binary_goes_both_ways(joined, namespace):
    if namespace:
        join(joined, "/custom")
    joined.send(f'452-{namespace}["message",{PLACES}]', *BLOBS)
    wanted = [f'452-{namespace}["message-back",{PLACES}]', *BLOBS]
    assert [joined.packet() for _ in wanted] == wanted


def test_plain_text_is_acknowledged(joined):
    joined.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert joined.packet() == '43456[1,"2",{"3":[false]}]'


def test_binary_is_acknowledged(joined):
    joined.send(f'452-789["message-with-ack",{PLACES}]', *BLOBS)
    wanted = [f"462-789[{PLACES}]", *BLOBS]
    assert [joined.packet() for _ in wanted] == wanted


def test_an_acknowledgement_in_a_custom_namespace_names_it(joined):
    join(joined, "/custom")
    joined.send('42/custom,7["message-with-ack",null]')
    assert joined.packet() == "43/custom,7[null]"


def test_id_zero_is_an_id(joined):
    joined.send('420["message-with-ack"]')
    assert joined.packet() == "430[]"


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "42{}",
        '42abc["message-with-ack",1,"2",{"3":[false]}]',
        '42["message"',
        '42["message"]]',
        "42[null]",
        "42",
        "43",
        '43["no id"]',
        "47",
        '45["no count"]',
        '45-["no count"]',
        '45a-["no count"]',
        '452["no dash"]',
        '41{"data":1}',
        '44{"message":"I refuse you"}',
        '42/custom["no comma"]',
        '42["\\ud800',
        '42["e",1e999]',
        '42["e",-Infinity]',
    ],
)
def test_an_invalid_packet_ends_the_session(joined, packet):
    joined.send(packet)
    assert ended(joined)


def test_text_where_an_attachment_is_due_ends_the_session(joined):
    joined.send(f'452-["message",{PLACES}]', '42["message","early"]')
    assert ended(joined)


def test_an_attachment_nobody_announced_ends_the_session(joined):
    joined.send(b"\x01\x02")
    assert ended(joined)
