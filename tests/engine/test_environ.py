"""What is kept of a handshake request, and what an event finds of it."""

import gc
import sys
import weakref

import pytest

from mechamap.engine.environ import Keeper

REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/socket.io/",
    "QUERY_STRING": "EIO=4&transport=websocket",
    "REMOTE_ADDR": "10.0.0.1",
    "HTTP_USER_AGENT": "Browser/1.0",
    "HTTP_SEC_WEBSOCKET_KEY": "secret",
    "wsgi.input": object(),
    "wsgi.websocket": object(),
    "wsgi.url_scheme": "http",
}


@pytest.fixture
def keeper():
    return Keeper()


def test_an_event_finds_the_request_as_it_was(keeper):
    environ = keeper.keep(REQUEST).environ()
    for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "HTTP_USER_AGENT"):
        assert environ[name] == REQUEST[name]
    assert environ["wsgi.input"].read() == b""


def test_the_objects_of_the_handshake_are_let_go(keeper):
    environ = keeper.keep(REQUEST).environ()
    assert "wsgi.websocket" not in environ
    assert "HTTP_SEC_WEBSOCKET_KEY" not in environ
    assert environ["wsgi.input"] is not REQUEST["wsgi.input"]


def test_what_a_handler_puts_in_is_there_at_the_next_event(keeper):
    kept = keeper.keep(REQUEST)
    kept.environ()["app.user"] = 7
    assert kept.environ()["app.user"] == 7
    assert kept.get("app.user") == 7
    assert "app.user" not in keeper.keep(REQUEST).environ()


def test_the_request_object_of_one_event_is_not_kept_for_the_next(keeper):
    kept = keeper.keep(REQUEST)
    kept.environ()["werkzeug.request"] = object()
    assert "werkzeug.request" not in kept.environ()


def test_an_empty_managed_session_costs_nothing_and_a_filled_one_is_kept(keeper):
    kept = keeper.keep(REQUEST)
    kept.environ()["saved_session"] = {}
    assert "saved_session" not in kept.environ()
    kept.environ()["saved_session"] = session = {"user": 1}
    assert kept.environ()["saved_session"] is session


def test_a_session_emptied_on_purpose_does_not_come_back_from_the_cookie(keeper):
    kept = keeper.keep({**REQUEST, "HTTP_COOKIE": "session=x"})
    kept.environ()["saved_session"] = {}
    assert kept.environ()["saved_session"] == {}


def test_a_thousand_clients_share_what_is_the_same(keeper):
    def request(number):
        return {**REQUEST, "HTTP_USER_AGENT": "".join(["Browser", "/1.0"]), "REMOTE_PORT": str(number)}

    kept = [keeper.keep(request(number)) for number in range(1_000)]
    assert len({id(k.environ()["HTTP_USER_AGENT"]) for k in kept}) == 1
    assert len({id(k._shape) for k in kept}) == 1
    assert sum(sys.getsizeof(k) + sys.getsizeof(k._values) for k in kept) < 150 * len(kept)


def test_what_is_one_clients_own_is_nobody_elses(keeper):
    own = {
        "HTTP_COOKIE": "a=1",
        "QUERY_STRING": "EIO=4&token=x",
        "REMOTE_ADDR": "10.0.0.2",
        "REMOTE_PORT": "5",
    }
    first, second = keeper.keep({**REQUEST, **own}), keeper.keep(REQUEST)
    assert {name: first.environ()[name] for name in own} == own
    assert first.get("HTTP_COOKIE") == "a=1"
    assert "HTTP_COOKIE" not in second.environ()
    assert second.get("REMOTE_ADDR") == "10.0.0.1"
    assert second.get("HTTP_USER_AGENT") == "Browser/1.0"
    assert second.get("HTTP_NOTHING", "default") == "default"


def test_what_a_handler_changes_it_changes_for_itself(keeper):
    first, second = keeper.keep(REQUEST), keeper.keep(REQUEST)
    first.environ()["HTTP_USER_AGENT"] = "changed"
    assert first.environ()["HTTP_USER_AGENT"] == "changed"
    assert second.environ()["HTTP_USER_AGENT"] == "Browser/1.0"


def test_an_object_that_a_middleware_put_in_is_let_go_with_its_client(keeper):
    class Span:
        pass

    span = Span()
    known = weakref.ref(span)
    kept = keeper.keep({**REQUEST, "trace.span": span, "server.list": [1]})
    assert kept.environ()["trace.span"] is span
    assert kept.environ()["server.list"] == [1]
    del kept, span
    gc.collect()
    assert known() is None


def test_long_headers_do_not_fill_the_memory_of_shapes(keeper):
    long = keeper.keep({**REQUEST, "HTTP_X_LONG": "x" * 5_000})
    assert long.environ()["HTTP_X_LONG"] == "x" * 5_000
    assert len(keeper._shapes) == 0


def test_headers_made_up_on_purpose_do_not_fill_the_memory_of_shapes(keeper):
    for number in range(2_000):
        keeper.keep({**REQUEST, f"HTTP_X_{number}": "1"})
    assert len(keeper._shapes) <= 1_000
