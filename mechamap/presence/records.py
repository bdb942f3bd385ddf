"""Roster entries as JSON in Redis. What cannot be read is passed over: others may write there too."""

import dataclasses
import logging
from collections.abc import Iterable

import msgspec

from ..broker.stored import readable
from .protocol import ConnectionRecord, WorkerRecord

log = logging.getLogger(__name__)

MAX_BYTES = 65_536
"""Of one entry. A connection with a hundred channels of the longest names has about 21,000."""

_decoders = {kind: msgspec.json.Decoder(kind) for kind in (ConnectionRecord, WorkerRecord)}


def encode(record: ConnectionRecord | WorkerRecord) -> str:
    """The entry as JSON. Half surrogate pairs (browsers may send anything) become question marks."""
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:
        texts = {
            name: value.encode(errors="replace").decode()
            for name in type(record).__dataclass_fields__
            if isinstance(value := getattr(record, name), str)
        }
        return msgspec.json.encode(dataclasses.replace(record, **texts)).decode()


def connections(rows: Iterable[bytes | None]) -> list[ConnectionRecord]:
    """The readable connections among ``rows``."""
    return _readable(rows, ConnectionRecord)


def workers(rows: Iterable[bytes | None]) -> list[WorkerRecord]:
    """The readable workers among ``rows``."""
    return _readable(rows, WorkerRecord)


def _readable(rows: Iterable[bytes | None], kind: type) -> list:
    found, unreadable = readable(rows, _decoders[kind], MAX_BYTES)
    if unreadable:
        log.warning("roster_entries_unreadable", extra={"kind": kind.__name__, "entries": unreadable})
    return found
