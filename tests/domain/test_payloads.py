"""The one argument of an event as JSON text: what is JSON, and how it is written."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.domain.errors import InvalidField
from mechamap.domain.payloads import MAX_DEPTH, check_payload_depth, payload_of


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (None, "null"),
        ({"a": [1, 2], "b": {}}, '{"a":[1,2],"b":{}}'),
        ("chữ Việt 🔧 </script>", '"chữ Việt 🔧 </script>"'),
        ("\u2028\x00\n", '"\u2028\\u0000\\n"'),
        (1.0, "1.0"),
        (2**70, "1180591620717411303424"),
        ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
    ],
)
def test_a_payload_is_compact_and_text_stands_for_itself(data, payload):
    assert payload_of(data) == payload.encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (float("nan"), "data_invalid"),
        ([float("inf")], "data_invalid"),
        ({"a": float("-inf")}, "data_invalid"),
        ("\ud800", "data_invalid"),
        ({"\udfff": 1}, "data_invalid"),
        ({1, 2}, "data_invalid"),
        (b"x", "data_invalid"),
        (nested(MAX_DEPTH + 1), "data_too_deep"),
        (nested(5000), "data_too_deep"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else "",
)
def test_what_is_not_json_is_refused_under_its_field(data, code):
    with pytest.raises(InvalidField) as refusal:
        payload_of(data, "broadcasts[1].data")
    assert (refusal.value.field, refusal.value.code) == ("broadcasts[1].data", code)


def test_the_deepest_payload_is_written():
    assert payload_of(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH


def test_the_depth_of_a_text_is_judged_by_its_values_not_by_its_brackets():
    flat = [[]] * 100
    check_payload_depth(payload_of(flat), flat)
    check_payload_depth(b'"' + b"[" * 100 + b'"', "[" * 100)
    with pytest.raises(InvalidField):
        check_payload_depth(b"[" * 33 + b"]" * 33, nested(33))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_payload_is_always_json_of_the_same_value(data):
    try:
        payload = payload_of(data)
    except InvalidField:
        return
    read = json.loads(payload, parse_constant=lambda word: math.nan)
    assert read == data
