"""What counts as a message of a group."""

import pytest

from mechamap.domain.errors import InvalidField
from mechamap.domain.group_messages import MAX_LENGTH, read_group_message


@pytest.mark.parametrize(
    ("timestamp", "sent_at"),
    [
        (None, None),
        ("2026-11-26T01:00:00.000Z", "2026-11-26T01:00:00.000Z"),
        (1_795_654_800_250, "2026-11-26T01:00:00.250Z"),
        (0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_message_has_a_text_a_time_and_a_name(timestamp, sent_at):
    message = read_group_message({"group_id": 6, "message": " Hi ", "timestamp": timestamp, "id": "m-1"})
    assert (message.id, message.text, message.sent_at) == ("m-1", " Hi ", sent_at)
    first, second = (read_group_message({"message": "x" * MAX_LENGTH}).id for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "message_required"),
        ("Hi", "message_required"),
        ({}, "message_required"),
        ({"message": "\n\t "}, "message_required"),
        ({"message": 5}, "message_required"),
        ({"message": "x" * (MAX_LENGTH + 1)}, "message_too_long"),
        ({"message": "\ud800"}, "data_invalid"),
        ({"message": "x", "timestamp": "soon"}, "timestamp_invalid"),
        ({"message": "x", "timestamp": True}, "timestamp_invalid"),
        ({"message": "x", "timestamp": -1}, "timestamp_invalid"),
        ({"message": "x", "timestamp": 10**300}, "timestamp_invalid"),
        ({"message": "x", "timestamp": 1.5}, "timestamp_invalid"),
        ({"message": "x", "id": ""}, "message_id_invalid"),
        ({"message": "x", "id": "a\r\nX: y"}, "message_id_invalid"),
        ({"message": "x", "id": "x" * 101}, "message_id_invalid"),
    ],
)
def test_anything_else_is_refused_by_its_field(body, code):
    with pytest.raises(InvalidField) as refused:
        read_group_message(body)
    assert refused.value.code == code
