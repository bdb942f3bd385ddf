"""Random bytes on real sockets, at every stage of a connection's life; seeded, so that a failure repeats.

Each stage is attacked by many connections while an honest client receives every event in order. Afterwards
nothing may be left, nothing may have been logged as a bug, and the server must answer.
"""

import http.client
import json
import random
import socket
from contextlib import closing, suppress

import gevent
import pytest

from tests.engine.wire import BINARY, CLOSE, PING, PONG, TEXT, frame, handshake, head

from .conftest import tcp, together, vanish

SEED = 20_261
ATTACKERS = 24
ROUNDS = 12
POLLING = "/socket.io/?EIO=4&transport=polling"

REQUESTS = [
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling&sid=12345678901234567.12345678901234567890 HTTP/1.1\r\n"
    b"Host: x\r\nContent-Length: 3\r\n\r\n4hi",
    b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    handshake(),
]
PACKETS = [
    "40", "41", "40/other,", '42["echo",1,{"a":[null,true,"é"]}]', '421["echo",{"b":1.5}]', "430[1]",
    '451-["echo",{"_placeholder":true,"num":0}]', '462-7[{"_placeholder":true,"num":1}]', '42/other,["echo"]',
    "2", "3", "1", "6", "5", "2probe", "44{}", "4", "bAAECAw==", '42["connect"]', '42[["echo"]]',
    "4" + "[" * 300,
]  # fmt: skip
FRAGMENTS = [
    "[",
    "]",
    "{",
    "}",
    '"',
    ",",
    "-",
    "\\u0000",
    "\x1e",
    "é",
    "\U0001f600",
    "9" * 30,
    "1e999",
    "null",
    "/",
]


def mutated(dice: random.Random, data: bytes) -> bytes:
    """`data` with a few bytes changed, removed, doubled or put in."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if at < len(changed):
                changed[at] = dice.randrange(256)
            case 1:
                del changed[at : at + dice.randint(1, 8)]
            case 2:
                changed[at:at] = dice.randbytes(dice.randint(1, 8))
            case 3:
                changed[at:at] = changed[at : at + dice.randint(1, 40)]
            case _:
                changed = changed[: dice.randint(0, len(changed))]
    return bytes(changed)


def mangled(dice: random.Random, text: str) -> str:
    """`text` with a piece of syntax put in, or a piece cut out."""
    at = dice.randrange(len(text) + 1)
    if dice.random() < 0.5:
        return text[:at] + dice.choice(FRAGMENTS) + text[at:]
    return text[:at] + text[at + dice.randint(1, 5) :]


def packet(dice: random.Random) -> str:
    text = dice.choice(PACKETS)
    return text if dice.random() < 0.4 else mangled(dice, text)


def any_frame(dice: random.Random) -> bytes:
    """A frame that is right, nearly right, or noise."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.randint(1, 60))
    opcode = dice.choice((TEXT, TEXT, TEXT, BINARY, PING, PONG, CLOSE, 0, dice.randrange(16)))
    payload = packet(dice).encode() if dice.random() < 0.7 else dice.randbytes(dice.randint(0, 300))
    if dice.random() < 0.05:
        return head(opcode, dice.choice((126, 65_536, 1 << 31, 1 << 62)))
    broken = dice.random() < 0.08
    return frame(
        opcode,
        payload,
        fin=dice.random() < 0.85,
        masked=not broken,
        reserved=dice.choice((0x10, 0x40)) if dice.random() < 0.03 else 0,
    )


def push(dice: random.Random, sock: socket.socket, data: bytes) -> None:
    """Send in pieces, look at what comes, and leave in one of three ways."""
    with suppress(OSError):
        while data:
            size = dice.choice((1, 3, 50, len(data)))
            sock.sendall(data[:size])
            data = data[size:]
            if dice.random() < 0.1:
                gevent.sleep(0.001)
        ending = dice.randrange(3)
        if ending == 0:
            vanish(sock)
        elif ending == 1:
            sock.shutdown(socket.SHUT_WR)
        if ending:
            sock.settimeout(0.05)
            while sock.recv(65_536):
                pass


# --- the stages ---


def before_a_request(engine, dice: random.Random) -> None:
    with tcp(engine) as sock:
        push(dice, sock, dice.randbytes(dice.choice((1, 10, 200, 3_000))))


def in_the_head(engine, dice: random.Random) -> None:
    with tcp(engine) as sock:
        push(dice, sock, b"".join(mutated(dice, dice.choice(REQUESTS)) for _ in range(dice.randint(1, 3))))


def after_101(engine, dice: random.Random) -> None:
    with engine.client() as client:
        push(dice, client.sock, b"".join(any_frame(dice) for _ in range(dice.randint(1, 6))))


def in_the_session(engine, dice: random.Random) -> None:
    with engine.client() as client:
        client.join()
        frames = [frame(TEXT, packet(dice).encode()) for _ in range(dice.randint(1, 5))]
        if dice.random() < 0.5:
            frames.append(any_frame(dice))
        push(dice, client.sock, b"".join(frames))


def in_a_poll(engine, dice: random.Random) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5)) as connection:
        connection.request("GET", POLLING)
        path = f"{POLLING}&sid={json.loads(connection.getresponse().read()[1:])['sid']}"
        for _ in range(dice.randint(1, 3)):
            body = "\x1e".join(packet(dice) for _ in range(dice.randint(1, 5))).encode()
            connection.request("POST", path, body if dice.random() < 0.7 else mutated(dice, body))
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 400, 413), answer.status


def while_upgrading(engine, dice: random.Random) -> None:
    opening = engine.application.get(POLLING).text
    path = POLLING.replace("polling", "websocket") + f"&sid={json.loads(opening[1:])['sid']}"
    with tcp(engine) as sock:
        early = b"".join(
            dice.choice((frame(TEXT, b"2probe"), frame(TEXT, b"5"), any_frame(dice)))
            for _ in range(dice.randint(1, 4))
        )
        push(dice, sock, handshake(path) + early)


STAGES = [before_a_request, in_the_head, after_101, in_the_session, in_a_poll, while_upgrading]


@pytest.mark.parametrize("stage", STAGES)
def test_random_bytes_break_nothing(engine, holding, neighbour, stage):
    def attack(n: int) -> None:
        dice = random.Random(f"{SEED} {stage.__name__} {n}")
        for _ in range(ROUNDS):
            stage(engine, dice)

    with gevent.Timeout(20):
        together(ATTACKERS, attack)
    holding.gone(6, sessions=1)
    assert holding.grown() < 20_000_000
    assert engine.application.get("/health").status == 200
    engine.application.expect_no_traceback()
    assert "failed" not in engine.application.log(), "connection_failed and its like are bugs"
