"""CONNECT: who is admitted, what a refused client sees, and in which order things are said."""

import json
import time

import pytest


def refusal(client, auth):
    """What a refused client is told, and that nothing else was said before."""
    client.send("40" + json.dumps(auth))
    packet = client.packet()
    assert packet.startswith("44"), packet
    return json.loads(packet[2:])


def test_what_the_connect_handler_emits_follows_the_answer(engine):
    with engine.client() as client:
        client.join({"wish": "x"})  # asserts that the answer comes first
        assert client.event() == ["hello", "x"]


def test_a_refusal_carries_message_and_data_and_nothing_precedes_it(engine):
    with engine.client() as client:
        error = refusal(client, {"wish": "refusal"})
        assert error == {"message": "Unauthorized", "data": {"code": "token_invalid"}}
        assert client.stay(0.2) == []


def test_a_handler_that_returns_false_refuses(engine):
    with engine.client() as client:
        assert refusal(client, {"wish": "false"}) == {"message": "Connection rejected by server"}


@pytest.mark.parametrize("wish", ["type-error", "crash", "os-error", "unsendable"])
def test_an_exception_in_the_connect_handler_refuses_and_shows_nothing(engine, wish):
    before = engine.state()["members"]
    with engine.client() as client:
        assert refusal(client, {"wish": wish}) == {"message": "Internal error"}
        assert engine.state()["members"] == before


def test_a_refused_client_may_try_again(engine):
    with engine.client() as client:
        refusal(client, {"wish": "refusal"})
        assert client.join()


def test_an_unknown_namespace_is_named_invalid(engine):
    with engine.client() as client:
        client.send("40/nowhere,")
        assert client.packet() == '44/nowhere,{"message":"Invalid namespace"}'


def test_a_second_connect_ends_the_session(engine):
    with engine.client() as client:
        sid = client.join()
        client.send("40")
        assert client.close_code() is not None
    engine.until(lambda _: engine.happened("disconnect", sid) == ["parse error"], "the disconnect handler")


def test_a_client_whose_handler_still_runs_receives_nothing_until_it_is_accepted(engine):
    with engine.client() as client, engine.client() as witness:
        witness.join()
        witness.event()
        client.send('40{"wish":"slow"}')
        time.sleep(0.1)
        reached = engine.post("/deliver", {"rooms": ["everyone"], "event": "news", "args": [1]})["reached"]
        assert witness.event() == ["news", 1]
        assert reached == 1
        assert client.packet().startswith("40{")
        assert [client.event(), client.event()] == [["hello", "slow"], ["news", 1]]


def test_a_client_that_is_refused_in_the_end_never_sees_what_was_sent_meanwhile(engine):
    with engine.client() as client:
        client.send('40{"wish":"slow-refusal"}')
        time.sleep(0.1)
        engine.post("/deliver", {"rooms": ["everyone"], "event": "news", "args": [1]})
        assert client.packet().startswith("44{")
        assert client.stay(0.2) == []


def test_an_event_sent_right_behind_connect_is_handled_after_it(engine):
    with engine.client() as client:
        client.send('40{"wish":"slow"}')
        client.send('421["echo",1]')
        assert client.packet().startswith("40{")
        assert [client.packet(), client.packet()] == ['42["hello","slow"]', "431[1]"]


def test_events_before_connect_reach_nobody(engine):
    with engine.client() as client:
        client.send('421["echo",1]')
        assert client.stay(0.2) == []
        assert client.join()


def test_a_client_that_leaves_while_its_handler_runs_is_not_left_behind(engine):
    before = engine.until(lambda s: s["sessions"] == 0, "an idle server", 10)
    client = engine.client()
    client.send('40{"wish":"slow"}')
    time.sleep(0.1)
    client.sock.close()
    engine.until(lambda s: s["sessions"] == 0, "the session to end")
    time.sleep(0.4)
    after = engine.state()
    assert (after["members"], after["environs"]) == (0, 0)
    assert after["happened"][len(before["happened"]) :][0][0::2] == ["disconnect", "transport close"]


def test_a_silent_client_is_closed_after_the_connect_timeout(engine):
    with engine.client() as client:
        began = time.monotonic()
        while (message := client.frame()) is not None and message[0] != 8:
            if message[1] == b"2":
                client.send("3")
        assert 1.4 < time.monotonic() - began < 3.0
        assert message is not None
        assert int.from_bytes(message[1][:2], "big") == 1008


def test_a_client_that_is_only_ever_refused_is_closed_after_the_connect_timeout(engine):
    with engine.client() as client:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            try:
                refusal(client, {"wish": "refusal"})
            except (EOFError, OSError):
                break
            time.sleep(0.1)
        else:
            pytest.fail("still open")


def test_a_client_whose_handler_hangs_is_closed_after_the_connect_timeout(engine):
    with engine.client() as client:
        client.send('40{"wish":"hang"}')
        with pytest.raises(EOFError):
            while True:
                client.packet()
    engine.until(lambda s: client.opening["sid"] not in s["eio_sids"], "the session to be forgotten", 5)


def test_an_accepted_client_outlives_the_connect_timeout(engine):
    with engine.client() as client:
        client.join()
        client.event()
        assert client.stay(1.8) == []
        assert client.call("echo", 1) == [1]


def test_leaving_the_last_namespace_starts_the_connect_timeout_again(engine):
    with engine.client() as client:
        client.join()
        client.send("41")
        with pytest.raises(EOFError):
            while True:
                client.packet()


def test_two_namespaces_share_a_transport(engine):
    with engine.client() as client:
        sid = client.join()
        client.event()
        client.send("40/other,")
        other = client.packet()
        assert other.startswith("40/other,{")
        assert json.loads(other[len("40/other,") :])["sid"] != sid
        client.send("41/other,")
        assert client.call("echo", 1) == [1]


@pytest.mark.parametrize(
    "packet",
    [
        "4",
        "48",
        '42"text"',
        "42[]",
        "42[1]",
        '42["disconnect"]',
        '42["' + "n" * 129 + '"]',
        "4511-[1]",
        '450-["a"]',
        "42[" + "[" * 40 + "]" * 40 + "]",
        '42["e",NaN]',
        '42["e",1e400]',
        '42["e"] x',
        "43[1]",
        "40[1]",
        '42999999999999999999["e"]',
        "44{}",
        '451-["e",{"_placeholder":true,"num":0}]',
    ],
)
def test_a_malformed_packet_closes_its_session_and_no_other(engine, packet):
    with engine.client() as broken, engine.client() as neighbour:
        broken.join()
        neighbour.join()
        neighbour.event()
        broken.send(packet)
        broken.send("4not an attachment")
        assert broken.close_code() is not None
        assert neighbour.call("echo", 1) == [1]


# --- more in the answer ---


def test_a_connect_handler_adds_fields_to_the_answer(engine):
    with engine.client() as client:
        client.send('40{"wish":"answer"}')
        answer = json.loads(client.packet()[2:])
        assert answer == {"sid": answer["sid"], "pid": "mine", "more": [1, {"é": None}]}
        assert client.event() == ["hello", "answer"]


def test_fields_of_an_answer_are_its_clients_and_namespaces_only(engine):
    with engine.client() as client, engine.client() as other:
        client.send('40{"wish":"answer"}')
        client.packet()
        other.send("40")
        assert json.loads(other.packet()[2:]).keys() == {"sid"}
        client.send("40/admin,")
        client.event()
        answer = client.packet()
        assert answer.startswith("40/admin,")
        assert json.loads(answer[9:])["pid"] == "the administrator's"


def test_a_refused_client_sees_nothing_of_the_answer(engine):
    with engine.client() as client:
        assert refusal(client, {"wish": "answer-refusal"}) == {"message": "Connection rejected by server"}


# --- not now ---


def test_a_postponed_client_is_told_nothing_and_closed_so_that_it_tries_again(engine):
    before = engine.until(lambda s: s["sessions"] == 0, "an idle server", 10)
    with engine.client() as client:
        client.send('40{"wish":"postponed"}')
        assert client.close_code() == 1013
    left = (0, before["environs"], before["members"])  # a handler that hangs on purpose keeps its environ
    after = engine.until(
        lambda s: (s["sessions"], s["environs"], s["members"]) == left, "nothing more to be left"
    )
    assert after["happened"][len(before["happened"]) :] == []  # it was never in


def test_what_is_sent_to_everyone_meanwhile_does_not_reach_a_postponed_client(engine):
    with engine.client() as client:
        client.send('40{"wish":"postponed"}')
        messages = [payload for opcode, payload in iter(client.frame, None) if opcode == 1]
        assert [message for message in messages if message.startswith(b"4")] == []
