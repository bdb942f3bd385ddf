"""Events, acknowledgements and rooms over the wire, with a raw client and with python-socketio's own."""

import contextlib
import re
import time

import pytest
import requests
import socketio

ORIGIN = {"origin": "http://good.test"}


@contextlib.contextmanager
def stock_client(engine, transports, **options):
    with requests.Session() as http:
        client = socketio.Client(reconnection=False, http_session=http, websocket_extra_options=ORIGIN)
        client.refusals = []
        client.on("connect_error", client.refusals.append)
        try:
            client.connect(engine.url, transports=transports, **options)
            yield client
        finally:
            client.disconnect()
            client.eio.wait()


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_the_stock_client_talks_over_every_transport(engine, transports):
    with stock_client(engine, transports, auth={"wish": "x"}) as client:
        assert client.transport() == transports[-1]
        assert client.call("echo", ("é", {"n": [1, None]})) == ("é", {"n": [1, None]})
        assert client.call("echo", b"\x00\xff") == b"\x00\xff"


def test_the_stock_client_sees_a_refusal_with_its_data(engine):
    with stock_client(engine, ["websocket"], auth={"wish": "refusal"}, wait=False) as client:
        deadline = time.monotonic() + 3
        while not client.refusals and time.monotonic() < deadline:
            client.sleep(0.02)
    assert client.refusals == [{"message": "Unauthorized", "data": {"code": "token_invalid"}}]


def test_a_handler_that_returns_nothing_still_acknowledges(engine):
    with engine.client() as client:
        client.join()
        assert client.call("nothing") == []


def test_the_events_of_one_client_are_handled_in_order(engine):
    with engine.client() as client:
        client.join()
        client.event()
        client.send('42["slow-then-fast",1,0.2]')
        client.send('42["slow-then-fast",2,0]')
        assert [client.event(), client.event()] == [["done", 1], ["done", 2]]


def test_a_slow_handler_of_one_client_does_not_hold_up_another(engine):
    with engine.client() as slow, engine.client() as quick:
        slow.join()
        quick.join()
        slow.send('42["slow-then-fast",1,1]')
        quick.sock.settimeout(0.5)
        assert quick.call("echo", 1) == [1]


def test_a_handler_may_ask_its_own_client_and_wait(engine):
    with engine.client() as client:
        client.join()
        client.event()
        client.send('427["ask-back"]')
        question = client.packet()
        assert question.startswith("42") and question.endswith('["question","why"]')
        client.send("43" + question[2 : question.index("[")] + '["because"]')
        assert client.packet() == '437["because"]'


def test_an_event_called_star_is_an_event_nobody_handles(engine):
    with engine.client() as victim, engine.client() as client:
        other = victim.join()
        own = client.join()
        assert client.call("*", other, "x") == ["unknown", "*", own, other, "x"]
        assert client.call("no such", 1) == ["unknown", "no such", own, 1]


def test_an_acknowledgement_nobody_waits_for_is_ignored(engine):
    with engine.client() as client:
        client.join()
        client.send('4399["unasked"]')
        assert client.call("echo", 1) == [1]


def test_a_bug_in_a_handler_is_logged_and_the_client_stays(engine):
    with engine.client() as client:
        client.join()
        client.send('421["crash"]')
        assert client.call("echo", 1, id=2) == [1]
    assert "a bug in a handler" in engine.application.log()


def test_more_events_than_the_lane_holds_are_all_handled_in_order(engine):
    with engine.client() as client:
        client.join()
        client.event()
        for number in range(300):
            client.send(f'42{number}["echo",{number}]')
        assert [client.packet() for _ in range(300)] == [f"43{n}[{n}]" for n in range(300)]


def test_nan_is_refused_before_anybody_gets_it(engine):
    with engine.client() as client:
        client.join()
        client.event()
        assert client.call("bad-number") == ["NaN and Infinity are not JSON"]
        assert client.stay(0.1) == []


# --- rooms ---


def test_a_delivery_reaches_the_union_of_rooms_each_socket_once(engine):
    with engine.client() as one, engine.client() as both:
        one.join(), both.join()
        one.call("join", "red"), both.call("join", "red"), both.call("join", "blue")
        order = {"rooms": ["red", "blue", "red", "none"], "event": "paint", "args": [1]}
        assert engine.post("/deliver", order)["reached"] == 2
        for client in (one, both):
            assert client.event() == ["paint", 1]
            assert client.stay(0.1) == []


def test_a_delivery_to_no_room_reaches_nobody(engine):
    with engine.client() as client:
        client.join()
        client.event()
        assert engine.post("/deliver", {"rooms": [], "event": "x", "args": []})["reached"] == 0
        assert client.stay(0.1) == []


def test_a_delivery_cannot_address_a_socket(engine):
    with engine.client() as client:
        sid = client.join()
        assert engine.post("/deliver", {"rooms": [sid], "event": "x", "args": []})["reached"] == 0


def test_one_socket_can_be_addressed_exactly(engine):
    with engine.client() as client, engine.client() as other:
        sid, _ = client.join(), other.join()
        client.event(), other.event()
        assert engine.post(f"/send/{sid}")["sent"] is True
        assert client.event() == ["private", 1, 2]
        assert other.stay(0.1) == []
        assert engine.post("/send/1.2")["sent"] is False


@pytest.mark.parametrize("target", [[], "", 0, False])
def test_emitting_to_an_empty_target_reaches_nobody(engine, target):
    with engine.client() as client:
        client.join()
        client.event()
        client.call("emit-to", target)
        assert client.stay(0.1) == []


def test_leaving_ones_own_id_or_no_room_is_harmless(engine):
    with engine.client() as client:
        sid = client.join()
        client.event()
        client.call("leave", sid)
        client.call("leave", None)
        engine.post(f"/send/{sid}")
        assert client.event() == ["private", 1, 2]


def test_a_room_cannot_be_named_like_another_socket(engine):
    with engine.client() as spy, engine.client() as victim:
        spy.join()
        spy.event()
        sid = victim.join()
        spy.send(f'421["join","{sid}"]')
        assert engine.post(f"/send/{sid}")["sent"]
        assert spy.stay(0.1) == []


def test_a_closed_room_is_empty(engine):
    with engine.client() as client:
        sid = client.join()
        assert sorted(client.call("join", "red")[0]) == sorted([sid, "everyone", "red"])
        assert sorted(client.call("close-room", "red")[0]) == sorted([sid, "everyone"])
        assert engine.post("/deliver", {"rooms": ["red"], "event": "x", "args": []})["reached"] == 0


def test_socket_ids_have_the_documented_form(engine):
    with engine.client() as client:
        for id in (client.join(), client.opening["sid"]):
            assert re.fullmatch(r"1[0-9]{16}\.[0-9]{20}", id)


def test_the_secret_session_id_is_never_logged(engine):
    with engine.client() as client:
        client.join()
        client.send("4broken")
        client.close_code()
        engine.application.get(
            f"/socket.io/?EIO=4&transport=polling&sid={client.opening['sid']}&token=hidden"
        )
        log = engine.application.log()
        assert client.opening["sid"] not in log
        assert "hidden" not in log
