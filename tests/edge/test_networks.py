"""Who is let in without a key because of where it is."""

import pytest

from mechamap.edge.networks import Networks
from mechamap.edge.proxies import TrustedProxies
from mechamap.settings import LOOPBACK


def refusal(networks, proxies=(), **environ) -> str | None:
    """As the application judges the request."""
    environ = {"wsgi.url_scheme": "http", **environ}
    TrustedProxies(lambda *_: [], proxies).resolve(environ)
    return Networks(networks).refusal(environ, environ.get("REMOTE_ADDR"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_itself_is_let_in(peer):
    assert refusal(LOOPBACK, REMOTE_ADDR=peer) is None


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.0.1", "::2", "::ffff:203.0.113.7", "", "x", None])
def test_nobody_else_is(peer):
    assert "DRIVER_NETWORKS" in refusal(LOOPBACK, REMOTE_ADDR=peer)


def test_networks_can_be_named_or_none():
    assert refusal(("10.0.0.0/8",), REMOTE_ADDR="10.1.2.3") is None
    assert refusal(("10.0.0.0/8",), REMOTE_ADDR="127.0.0.1") is not None
    assert refusal((), REMOTE_ADDR="127.0.0.1") is not None


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_FORWARDED",
        "HTTP_X_REAL_IP",
        "HTTP_VIA",
    ],
)
@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",), ("10.0.0.1",)])
def test_a_proxy_on_this_machine_does_not_make_the_internet_look_like_it(header, proxies):
    """Whether the proxy is a trusted one or not, and whatever it, or who is behind it, says."""
    for value in ("203.0.113.7", "127.0.0.1", "for=127.0.0.1", ""):
        why = refusal(LOOPBACK, proxies, REMOTE_ADDR="127.0.0.1", **{header: value})
        assert "proxy" in why


@pytest.mark.parametrize("header", ["HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE"])
def test_a_page_in_a_browser_on_this_machine_is_not_let_in(header):
    assert "browser" in refusal(LOOPBACK, REMOTE_ADDR="127.0.0.1", **{header: "null"})
