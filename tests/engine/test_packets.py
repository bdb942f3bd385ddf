"""Packets: what is refused, what is encoded once, and that both transports read the same."""

import pytest
from engineio import packet as eio
from hypothesis import assume, given
from hypothesis import strategies as st
from socketio import packet as sio

from mechamap.engine.packets import EnginePacket, event_packet, wire
from mechamap.engine.receiver import PacketError
from mechamap.engine.strict_json import StrictJSON
from mechamap.engine.strict_packet import MAX_ATTACHMENTS, MAX_DEPTH, Packet

scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10) | st.binary(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def decode(parts: list[str | bytes]) -> Packet:
    packet = Packet(encoded_packet=parts[0])
    for part in parts[1:]:
        packet.add_attachment(part)
    return packet


@given(st.lists(values, max_size=3), st.none() | st.integers(0, 10**15 - 1))
def test_what_is_encoded_is_what_is_decoded(arguments, id):
    encoded = Packet(sio.EVENT, namespace="/n", data=["event", *arguments], id=id).encode()
    assume(not isinstance(encoded, list) or len(encoded) <= MAX_ATTACHMENTS + 1)
    decoded = decode(encoded if isinstance(encoded, list) else [encoded])
    assert (decoded.data, decoded.namespace, decoded.id) == (["event", *arguments], "/n", id)


@given(st.text(max_size=40))
def test_any_text_is_a_packet_or_a_packet_error(text):
    try:
        Packet(encoded_packet="2" + text)
    except PacketError:
        pass


@pytest.mark.parametrize(
    "text", ["7", "x", '511-["e"]', '50-["e"]', '21-["e"]', '5["e"]', "2", "2{}", "2[1]"]
)
def test_a_malformed_head_is_refused(text):
    with pytest.raises(PacketError):
        Packet(encoded_packet=text)


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "newListener"])
def test_a_client_cannot_name_its_event_like_a_lifecycle_handler(name):
    with pytest.raises(PacketError, match="reserved"):
        Packet(encoded_packet=f'2["{name}"]')


def test_data_may_be_nested_to_the_limit_and_no_deeper():
    def nested(depth):
        return '2["e",' + "[" * (depth - 1) + "]" * (depth - 1) + "]"

    assert Packet(encoded_packet=nested(MAX_DEPTH)).data[0] == "e"
    with pytest.raises(PacketError, match=str(MAX_DEPTH)):
        Packet(encoded_packet=nested(MAX_DEPTH + 1))


def test_many_lists_side_by_side_are_not_deep():
    assert len(Packet(encoded_packet='2["e",' + "[]," * 500 + "[]]").data) == 502


@pytest.mark.parametrize("number", ["1", "-1", '"0"', "true", "null"])
def test_a_placeholder_must_refer_to_an_attachment(number):
    packet = Packet(encoded_packet='51-["e",{"_placeholder":true,"num":' + number + "}]")
    with pytest.raises(PacketError):
        packet.add_attachment(b"x")


def test_a_namespace_query_is_ignored_as_old_clients_send_it():
    assert Packet(encoded_packet='0/n?token=x,{"a":1}').namespace == "/n"


def test_bytes_inside_a_tuple_are_an_attachment():
    encoded = Packet(sio.EVENT, data=["e", ({"b": b"x"},)]).encode()
    assert encoded == ['51-["e",[{"b":{"_placeholder":true,"num":0}}]]', b"x"]


@pytest.mark.parametrize("first", [True, False])
def test_a_binary_packet_reads_right_on_both_transports_in_any_order(first):
    packet = EnginePacket(eio.MESSAGE, b"\x00\xff")
    assert packet.encode(b64=first) == ("bAP8=" if first else b"\x00\xff")
    assert packet.encode(b64=not first) == (b"\x00\xff" if first else "bAP8=")


def test_the_frame_of_a_packet_is_built_once():
    packet = EnginePacket(eio.MESSAGE, "2[]")
    assert packet.frame is packet.frame
    assert packet.size == len(packet.frame) == 6


def test_one_event_with_attachments_is_one_packet_each():
    packets = wire(Packet(sio.EVENT, data=["e", b"1", b"2"]))
    assert [packet.binary for packet in packets] == [False, True, True]


@pytest.mark.parametrize("text", ["", "7", "b*", "bAP8"])
def test_a_malformed_engine_packet_is_refused(text):
    with pytest.raises(PacketError):
        EnginePacket(encoded_packet=text)


almost_json = st.one_of(
    st.text(max_size=30),
    st.text(alphabet='[]{}",:0123456789.eE+-\\ utrfalsn_"', max_size=60),
    st.builds("[".__mul__, st.integers(0, 3_000)),
    st.builds('{"a":'.__mul__, st.integers(0, 3_000)),
    values.filter(lambda v: not Packet.data_is_binary(v)).map(Packet.json.dumps),
)
heads = st.one_of(
    st.text(max_size=6),
    st.builds(
        "{}{}{}{}".format,
        st.integers(0, 9),
        st.sampled_from(("", "", "0-", "1-", "2-", "10-", "11-", "999999999-", "-", "1")),
        st.sampled_from(("", "", "/,", "/n,", "/n", "/n?q=1,", "/" + "n" * 200 + ",", "n,")),
        st.sampled_from(("", "", "0", "7", "9" * 15, "9" * 16, "9" * 400)),
    ),
)
attachments = st.lists(st.one_of(st.binary(max_size=5), st.text(max_size=5)), max_size=3)


@given(heads, almost_json, attachments)
def test_whatever_a_client_sends_is_a_packet_or_a_packet_error(head, text, parts):
    try:
        packet = Packet(encoded_packet=head + text)
        for part in parts[: packet.attachment_count]:
            packet.add_attachment(part)
    except PacketError:
        return
    assert packet.packet_type in range(7)


@given(st.one_of(st.text(max_size=40), st.binary(max_size=40), st.text(max_size=20).map("b".__add__)))
def test_whatever_comes_over_the_transport_is_a_packet_or_a_packet_error(data):
    try:
        packet = EnginePacket(encoded_packet=data)
    except PacketError:
        return
    assert packet.packet_type in range(7)
    if isinstance(data, bytes):
        assert packet.encode() == data


@given(st.one_of(st.text(max_size=40), st.binary(max_size=40)))
def test_a_message_is_the_same_on_both_transports(data):
    sent = EnginePacket(eio.MESSAGE, data)
    text = sent.encode(b64=True)
    plain = sent.encode()
    assert EnginePacket(encoded_packet=text).data == EnginePacket(encoded_packet=plain).data == data


@pytest.mark.parametrize("depth", [33, 1_000, 100_000, 400_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_no_nesting_exhausts_the_stack(opening, depth):
    with pytest.raises(PacketError):
        Packet(encoded_packet='2["e",' + opening * depth)
    closing = "]" if opening == "[" else "}"
    with pytest.raises(PacketError):
        Packet(encoded_packet='2["e",' + opening * depth + "1" + closing * depth + "]")


@pytest.mark.parametrize(
    "number", ["9" * 5_000, "-" + "9" * 5_000, "1" + "0" * 400, "1e400", "0." + "1" * 5_000]
)
def test_no_number_is_more_than_a_packet_error(number):
    try:
        Packet(encoded_packet=f'2["e",{number}]')
    except PacketError:
        pass


@pytest.mark.parametrize("size", [0, 100, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("offset", [None, "k3Fz0aQx.1042"])
def test_an_event_that_is_json_already_is_what_the_packet_would_be(size, offset):
    value = {"é": "x" * size}
    payload = StrictJSON.dumps(value).encode()
    arguments = [value] if offset is None else [value, offset]
    event, packet = (
        event_packet('a "name"', payload, offset=offset),
        wire(Packet(sio.EVENT, data=['a "name"', *arguments]))[0],
    )
    assert event.frame == packet.frame
    assert event.size == packet.size
    assert [one.encode(b64=True) for one in event.packets] == [packet.encode(b64=True)]
