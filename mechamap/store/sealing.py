"""Secrets that are kept because they must be had again: encrypted under a key derived from SECRET_KEY."""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12  # bytes; random, as AES-GCM allows for far more than the rows a table may have


class Unsealable(Exception):
    """It was sealed under another SECRET_KEY, for something else, or was changed since."""


class Seal:
    """AES-256-GCM. ``purpose`` keeps keys of different uses of one SECRET_KEY apart."""

    def __init__(self, secret_key: str, purpose: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"mechamap.{purpose}".encode())
        self._cipher = AESGCM(derive.derive(secret_key.encode()))

    def seal(self, secret: str, belongs_to: str) -> str:
        """``secret`` as text to keep. It opens for ``belongs_to`` only: no row can borrow another's."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, secret.encode(), belongs_to.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, belongs_to: str) -> str:
        """What was sealed.

        Raises:
            Unsealable
        """
        try:
            kept = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(kept[:_NONCE], kept[_NONCE:], belongs_to.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error) as err:
            raise Unsealable from err
