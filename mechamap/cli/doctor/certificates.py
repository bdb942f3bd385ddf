"""The certificate that the server shows: how long it lasts, and whether the key is its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mechamap.settings import Settings

from .finding import Finding, fail, ok, warn

AREA = "TLS"
SOON = timedelta(days=21)
"""Let's Encrypt renews 30 days before the end: three weeks before it something has stopped renewing."""


def examine(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """The files of SSL_CERT_PATH and SSL_KEY_PATH, where they are set."""
    if settings.ssl_cert_path is None or settings.ssl_key_path is None:
        said = "TLS ends elsewhere, or nowhere: SSL_CERT_PATH is empty."
        yield ok(AREA, "certificate", said)
        return
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        certificate = x509.load_pem_x509_certificates(_read(settings.ssl_cert_path))[0]
        key = _public_key(settings.ssl_key_path)
    except OSError as err:
        yield fail(
            AREA,
            "files",
            f"{err.filename} cannot be read ({err.strerror}).",
            "Give the server's user the right to read it.",
        )
        return
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield fail(
            AREA,
            "files",
            "SSL_CERT_PATH or SSL_KEY_PATH is not a PEM file without a password.",
            "Use fullchain.pem and privkey.pem.",
        )
        return
    yield expiry(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now or datetime.now(UTC))
    if certificate.public_key() == key:
        yield ok(AREA, "key", "The key belongs to the certificate.")
    else:
        yield fail(
            AREA, "key", "SSL_KEY_PATH is not the key of SSL_CERT_PATH.", "Use the two files of one issue."
        )


def expiry(begins: datetime, ends: datetime, now: datetime) -> Finding:
    """A certificate's time, judged."""
    left = ends - now
    day = f"{ends:%Y-%m-%d}"
    if now < begins:
        return fail(
            AREA,
            "certificate",
            f"It is valid only from {begins:%Y-%m-%d %H:%M} UTC on.",
            "Check this machine's clock.",
        )
    if left <= timedelta(0):
        return fail(
            AREA,
            "certificate",
            f"It expired on {day}: browsers refuse the connection.",
            "Renew it and reload the server.",
        )
    if left < SOON:
        return warn(
            AREA,
            "certificate",
            f"It expires on {day}, in {left.days} days.",
            "Renew it and reload the server.",
        )
    return ok(AREA, "certificate", f"It is good until {day}.")


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _public_key(path: Path) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(_read(path), password=None).public_key()
