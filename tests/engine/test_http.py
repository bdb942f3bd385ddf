"""HTTP connections of a worker, in this process: requests as they are read, answers as they are written."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent import socket

from mechamap.engine import Server
from mechamap.engine.connections import Connections
from mechamap.engine.http import Handler
from mechamap.engine.listener import Listener

from .wire import frame, handshake

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BYE = b"GET /bye HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class QuickHandler(Handler):
    head_timeout = idle_timeout = 1.0
    body_timeout = 0.3
    pieces: list[bytes]

    def _sendall(self, data):
        self.pieces.append(bytes(data))
        super()._sendall(data)


@contextmanager
def serving(app: Callable) -> Iterator[Listener]:
    handler = type("QuickHandler", (QuickHandler,), {"pieces": []})
    listener = Listener(("127.0.0.1", 0), app, handler_class=handler, log=None)
    listener.connections = Connections(100)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop(timeout=0)


def connect(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.server_port), timeout=5)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end) and (more := sock.recv(65_536)):
        data += more
    return data


def answers(listener: Listener, *pieces: bytes, pause: float = 0.02) -> bytes:
    """Everything the server says until it closes."""
    with connect(listener) as sock:
        for piece in pieces:
            sock.sendall(piece)
            gevent.sleep(pause)
        return read_until(sock, b"no such end")


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1"), b"!"]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def ignorant(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def parts(environ, start_response):
    start_response("200 OK", [])
    yield b"one"
    yield b""
    yield b"two"


# --- answers ---


def test_an_answer_leaves_in_one_piece():
    with serving(hello) as listener:
        assert answers(listener, GET, BYE).count(b"HTTP/1.1 200 OK\r\n") == 2
        first, second = listener.handler_class.pieces
    assert first.endswith(b"\r\n\r\n/!")
    assert second.endswith(b"\r\n\r\n/bye!")


def test_an_answer_of_unknown_length_is_sent_in_chunks():
    with serving(parts) as listener:
        answer = answers(listener, BYE)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_http_1_0_gets_neither_chunks_nor_another_request():
    with serving(parts) as listener:
        answer = answers(listener, b"GET / HTTP/1.0\r\n\r\n" + GET)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nonetwo")


def test_an_answer_of_unknown_length_ends_with_the_connection_in_http_1_0():
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with serving(parts) as listener:
        answer = answers(listener, request + request)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    with serving(hello) as listener:
        answer = answers(listener, request + request + BYE)
    assert answer.count(b"\r\nConnection: keep-alive\r\n") == 2


@pytest.mark.parametrize("app", [hello, parts])
def test_an_answer_to_head_has_no_body_whatever_the_application_gives(app):
    with serving(app) as listener:
        answer = answers(listener, GET.replace(b"GET", b"HEAD"), BYE.replace(b"GET", b"HEAD"))
    first, second, rest = answer.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n") and second.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest == b""


def test_an_answer_larger_than_the_kernel_takes_at_once_is_sent_whole():
    def large(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * 5_000_000]

    with serving(large) as listener:
        assert len(answers(listener, BYE).partition(b"\r\n\r\n")[2]) == 5_000_000


def test_an_application_that_fails_is_answered_500_and_one_that_fails_late_is_cut(capsys):
    def failing(environ, start_response):
        if environ["PATH_INFO"] == "/bye":
            start_response("200 OK", [("Content-Length", "10")])(b"half ")
        raise RuntimeError("a bug")

    with serving(failing) as listener:
        assert answers(listener, GET).startswith(b"HTTP/1.1 500 ")
        assert answers(listener, BYE + GET).endswith(b"half ")
    assert "a bug" in capsys.readouterr().err


def test_a_client_that_does_not_read_its_answer_is_given_up_without_a_traceback(capsys):
    def large(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * 20_000_000]

    with serving(large) as listener, connect(listener) as sock:
        listener.handler_class.write_timeout = 0.2
        sock.sendall(GET)
        gevent.sleep(0.6)
        assert len(listener.connections) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_answer_may_take_the_place_of_what_was_not_sent_yet():
    def changes_its_mind(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        try:
            raise RuntimeError("too late")
        except RuntimeError as err:
            start_response("503 Service Unavailable", [("X-A", "b")], (type(err), err, err.__traceback__))
        return [b"sorry"]

    with serving(changes_its_mind) as listener:
        answer = answers(listener, BYE)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nX-A: b\r\nContent-Length: 5\r\n")


# --- requests ---


def test_a_request_is_read_however_it_is_cut():
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    with serving(echo) as listener:
        for cut in range(1, len(request)):
            assert answers(listener, request[:cut], request[cut:], pause=0).endswith(b"\r\n\r\nabc")


def test_requests_may_come_before_the_answers_of_those_before_them():
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = post + b"abc" + chunked + b"1;x=y\r\nd\r\n2\r\nef\r\n0\r\nA: b\r\n\r\n" + post + b"ghi" + BYE
    with serving(echo) as listener:
        answer = answers(listener, sent)
    assert [part[:3] for part in answer.split(b"\r\n\r\n")[1:]] == [b"abc", b"def", b"ghi", b""]


def test_the_environ_is_that_of_wsgi():
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return hello(environ, start_response)

    with serving(app) as listener:
        answers(listener, b"GET /caf%C3%A9?a=%20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX_A: b\r\n\r\n")
        assert seen["SERVER_PORT"] == str(listener.server_port)
    assert seen["PATH_INFO"] == "/caf\xc3\xa9"
    assert (seen["QUERY_STRING"], seen["RAW_URI"]) == ("a=%20", "/caf%C3%A9?a=%20")
    assert (seen["REQUEST_METHOD"], seen["SERVER_PROTOCOL"], seen["SCRIPT_NAME"]) == ("GET", "HTTP/1.1", "")
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"].isdigit()) == ("127.0.0.1", True)
    assert (seen["HTTP_HOST"], seen["wsgi.url_scheme"], "HTTP_X_A" in seen) == ("x", "http", False)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (GET[:-2] + b"X: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (GET[:-2] + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (GET.replace(b"\r\n", b"\n"), b"400"),
        (b"GET /\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00", b"400"),
    ],
)
def test_what_is_no_request_is_answered_once_and_ends_the_connection(data, status):
    with serving(hello) as listener:
        answer = answers(listener, data, GET, pause=0)
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_the_query_of_a_refused_request_is_not_logged(caplog):
    caplog.set_level("DEBUG", logger="mechamap")  # an application that was made before may have set it higher
    with serving(hello) as listener:
        answers(listener, b"GET /?token=confidential HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    assert "confidential" not in caplog.text
    assert "bad_request" in caplog.text


@pytest.mark.parametrize("field", [{"Content-Length": "7"}, {"Transfer-Encoding": "chunked"}])
def test_an_upgrade_has_no_body(field):
    app = Server(cors_allowed_origins=[])
    request = handshake("/engine.io/?EIO=4&transport=websocket", field)
    with serving(lambda e, s: app.handle_request(e, s)) as listener:
        assert answers(listener, request + frame(1, b"4hi")).startswith(b"HTTP/1.1 400 ")
    app.shutdown()


# --- bodies nobody reads ---


def test_a_client_that_was_not_asked_to_go_on_keeps_its_next_request_out_of_the_body():
    asking = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 40\r\n\r\n"
    with serving(ignorant) as listener:
        assert answers(listener, asking, GET).count(b"HTTP/1.1 ") == 1


def test_a_client_that_is_asked_to_go_on_sends_its_body():
    asking = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with serving(echo) as listener, connect(listener) as sock:
        sock.sendall(asking)
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc" + BYE)
        assert read_until(sock, b"no such end").count(b"HTTP/1.1 200 ") == 2


def test_the_rest_of_a_body_that_came_too_slowly_is_not_the_next_request():
    def patient(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except TimeoutError:
            return ignorant(environ, start_response)
        raise AssertionError("it came in time")

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12345"
    with serving(patient) as listener:
        assert answers(listener, head, GET + GET, pause=0.5).count(b"HTTP/1.1 ") == 1


def test_an_end_in_the_middle_of_a_chunked_body_ends_the_connection():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(echo) as listener:
        assert answers(listener, head + b"zz\r\n" + GET).count(b"HTTP/1.1 ") == 1


# --- what stays ---


def alive(*kinds: type) -> list[object]:
    return [found for found in gc.get_objects() if isinstance(found, kinds)]


@pytest.fixture
def no_collector():
    """What goes without it has gone because nobody refers to it any more."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_an_open_websocket_keeps_nothing_of_its_request(no_collector):
    app = Server(cors_allowed_origins=[])
    environs = []

    @app.on("connect")
    def connected(sid, environ):
        environs.append(id(environ))

    with serving(lambda e, s: app.handle_request(e, s)) as listener:
        before = len(alive(Handler))
        with connect(listener) as sock:
            sock.sendall(handshake("/engine.io/?EIO=4&transport=websocket") + frame(1, b"4hi"))
            assert b"HTTP/1.1 101 " in sock.recv(65_536)
            gevent.sleep(0.05)
            assert environs
            assert len(alive(Handler)) == before
            assert not [found for found in alive(dict) if id(found) in environs and "wsgi.input" in found]
        app.shutdown()


def test_a_connection_that_waits_for_its_next_request_keeps_nothing_of_the_last(no_collector):
    of_others = {id(found) for found in alive(dict) if "wsgi.input" in found}
    with serving(hello) as listener, connect(listener) as sock:
        sock.sendall(GET)
        assert read_until(sock, b"/!")
        gevent.sleep(0.05)
        [handler] = alive(listener.handler_class)
        assert (handler.environ, handler.head, handler.wsgi_input, handler.response) == (None,) * 4
        assert {id(found) for found in alive(dict) if "wsgi.input" in found} <= of_others
