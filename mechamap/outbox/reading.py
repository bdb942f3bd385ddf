"""One row of the outbox, read as a publication. Pure."""

from dataclasses import replace

import msgspec

from ..domain.channels import Parse, parse_channel
from ..domain.errors import InvalidField
from ..domain.idempotency import Once
from ..domain.publication import Publication
from ..domain.wire import read_broadcast
from .protocol import ORIGIN, Row

MAX_ID_LENGTH = 64
MAX_SOCKET_LENGTH = 100

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_row(row: Row, parse: Parse = parse_channel) -> Publication:
    """The publication that ``row`` asks for, under the row's own id.

    Raises:
        InvalidField: names the first column that breaks a rule.
    """
    body: dict[str, object] = {"event": _text(row.event, "event"), "data": _json(row.data, "data")}
    if row.channels.lstrip().startswith(b"["):
        body["channels"] = _json(row.channels, "channels")
    else:
        body["channel"] = _text(row.channels, "channels")
    publication = read_broadcast(body, ORIGIN, _encode, parse=parse)
    name = _id(row.uuid)
    # A row that is published again, because it could not be deleted, is the same publication.
    once = Once.of(ORIGIN, name, publication.channels, publication.event, publication.payload)
    return replace(publication, id=name, except_id=_socket(row.except_socket), once=once)


def _id(written: bytes) -> str:
    text = _text(written, "uuid")
    if not (0 < len(text) <= MAX_ID_LENGTH and text.isascii() and text.isprintable()):
        raise InvalidField(
            "uuid", f"uuid must be 1 to {MAX_ID_LENGTH} printable ASCII characters.", code="uuid_invalid"
        )
    return text


def _socket(written: bytes | None) -> str | None:
    if written is None or written == b"":
        return None
    text = _text(written, "except_socket")
    if len(text) > MAX_SOCKET_LENGTH:
        raise InvalidField(
            "except_socket", "except_socket must be a Socket.IO id.", code="except_socket_invalid"
        )
    return text


def _json(written: bytes, column: str) -> object:
    try:
        return _decode(written)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise InvalidField(column, f"{column} is not valid JSON.", code=f"{column}_invalid") from err


def _text(written: bytes, column: str) -> str:
    try:
        return written.decode()
    except UnicodeDecodeError as err:
        raise InvalidField(column, f"{column} is not UTF-8.", code=f"{column}_invalid") from err
