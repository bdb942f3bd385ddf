"""Questions that only the worker with a connection can answer, and what came back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_QUESTION = 8_192
"""Bytes of one question."""
MAX_ANSWER = 262_144
"""Bytes of one worker's answer: a page of five hundred connections."""
PATIENCE = 0.5
"""Seconds in which a worker answers, or counts as silent."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to some workers.

    Attributes:
        kind: names who answers it (``hub.inquiries``).
        body: its arguments as JSON.
        id: unguessable; names the place of the answers.
    """

    kind: str
    body: bytes
    id: str = field(default_factory=lambda: secrets.token_hex(12))


@dataclass(frozen=True, slots=True)
class Reply:
    """What one worker said: JSON, or with ``code`` that it could not say."""

    body: bytes
    code: str | None = None


Replies = Mapping[str, Reply]
"""By worker id; who is not there did not answer in time."""
