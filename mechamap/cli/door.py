"""HTTP from this machine to a server of ours: through no proxy, and trusting our own certificate."""

import ipaddress
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MAX_ANSWER = 16 * 1_048_576
"""Bytes: 10,000 connections with their channels are some 8 MB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """Nothing answered; ``str`` says what happened instead, in words that can end a sentence."""


@dataclass(frozen=True, slots=True)
class Door:
    """Requests to ``base_url``.

    Attributes:
        certificate: our own certificate file; over loopback it is trusted as it is, whatever name it carries.
    """

    base_url: str
    certificate: Path | None = None

    def request(
        self,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Answer:
        """GET, or POST when there is a body. An answer of any status is an answer.

        Raises:
            NoAnswer
        """
        handlers: list[urllib.request.BaseHandler] = [
            # http_proxy in the environment is for the world outside; the stamp must not travel there
            urllib.request.ProxyHandler({}),
            _NoRedirects(),
        ]
        if (context := self.tls()) is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(
            self.base_url + path,
            data=body,
            headers={"Connection": "close", "Accept": "application/json", **(headers or {})},
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.read(MAX_ANSWER))
        except urllib.error.HTTPError as err:
            with err:
                return Answer(err.code, err.read(MAX_ANSWER))
        except (OSError, ValueError) as err:
            raise NoAnswer(why(err)) from err
        except Exception as err:
            # http.client's own exceptions: something answers, in another protocol
            raise NoAnswer("what listens there does not speak HTTP") from err

    def tls(self) -> ssl.SSLContext | None:
        """The context for an https address; None for http."""
        parts = urlsplit(self.base_url)
        if parts.scheme != "https":
            return None
        context = ssl.create_default_context()
        if self.certificate is not None and is_loopback(parts.hostname):
            # Exactly this certificate, also when an authority issued it (partial chain); it names the public
            # host, not 127.0.0.1.
            context.load_verify_locations(cafile=str(self.certificate))
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
        return context


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer too; following it could carry the stamp to a stranger."""

    def redirect_request(self, *args: object) -> None:
        return None


def is_loopback(host: str | None) -> bool:
    """Whether the address is this machine's own."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def why(error: OSError | ValueError) -> str:
    """What happened, in words that can end a sentence."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(cause, TimeoutError):
        return "it took too long"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return "the connection broke off"
