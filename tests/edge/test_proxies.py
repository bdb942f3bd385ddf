"""Whose address a request has, and who may say so."""

import pytest

from mechamap.edge.proxies import FORWARDED, TrustedProxies

PROXIES = ("127.0.0.1", "10.0.0.0/8", "::1")


def seen(networks, **environ):
    """The environ as the application sees it."""
    found = {}

    def app(environ, start_response):
        found.update(environ)
        return []

    TrustedProxies(app, networks)({"wsgi.url_scheme": "http", **environ}, lambda *_: None)
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("127.0.0.1", "10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "not an address", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, garbage", "127.0.0.1"),
        ("192.0.2.4", "203.0.113.7", "192.0.2.4"),
        ("192.0.2.4", "127.0.0.1", "192.0.2.4"),
    ],
)
def test_the_address_is_the_first_stranger_from_the_right(peer, forwarded, address):
    assert seen(PROXIES, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == address


def test_strangers_forwarded_headers_are_removed():
    given = dict.fromkeys(FORWARDED, "x")
    assert not set(FORWARDED) & set(seen(PROXIES, REMOTE_ADDR="192.0.2.4", **given))
    assert not set(FORWARDED) & set(seen((), REMOTE_ADDR="127.0.0.1", **given))


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("http, https", "https"), ("ftp", "http"), ("", "http")]
)
def test_the_scheme_is_the_nearest_proxys(proto, scheme):
    found = seen(PROXIES, REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_PROTO=proto)
    assert found["wsgi.url_scheme"] == scheme


def test_a_stranger_cannot_claim_tls():
    assert seen(PROXIES, REMOTE_ADDR="192.0.2.4", HTTP_X_FORWARDED_PROTO="https")["wsgi.url_scheme"] == "http"


def test_a_peer_without_an_address_is_no_proxy():
    assert seen(PROXIES, REMOTE_ADDR=None, HTTP_X_FORWARDED_FOR="203.0.113.7")["REMOTE_ADDR"] is None


def test_only_so_many_addresses_are_remembered_and_none_that_is_too_long():
    proxies = TrustedProxies(lambda environ, start_response: [], PROXIES)
    for number in range(10_000):
        forwarded = (
            f"10.0.{number // 250}.{number % 250}, x{number}, 203.0.113.{number % 250}, " + "1" * 5_000
        )
        proxies({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}, lambda *_: None)
        proxies({"REMOTE_ADDR": f"192.0.{number // 250}.{number % 250}"}, lambda *_: None)
    assert proxies._remembered.cache_info().currsize <= 4_096
    found = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "fe80::1%" + "x" * 100}
    proxies(found, lambda *_: None)
    assert found["REMOTE_ADDR"] == "127.0.0.1"
