"""JSON that every browser reads."""

import json
from collections import OrderedDict
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechamap.engine.strict_json import StrictJSON

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


class Colour(StrEnum):
    RED = "red"


class Name(str):
    pass


@given(values)
def test_it_writes_what_the_standard_library_reads(value):
    try:
        text = StrictJSON.dumps(value)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    assert json.loads(text) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "nest", [lambda n: n, lambda n: [n], lambda n: {"a": (1, {"b": n})}, lambda n: {None: n}]
)
def test_numbers_json_does_not_have_are_refused(number, nest):
    with pytest.raises(ValueError):
        StrictJSON.dumps(nest(number))


def test_null_beside_the_word_null_is_fine():
    assert StrictJSON.dumps({"null": None, "n": [1.5, "null"]}) == '{"null":null,"n":[1.5,"null"]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (OrderedDict(a=1), '{"a":1}'),
        ({1: 2, None: 3}, '{"1":2,"null":3}'),
        (Colour.RED, '"red"'),
        (Name("é"), '"é"'),
        ((1, 2), "[1,2]"),
    ],
)
def test_what_the_standard_library_writes_is_written(value, text):
    assert StrictJSON.dumps(value, separators=(",", ":")) == text


def test_what_has_no_json_is_a_type_error():
    with pytest.raises(TypeError):
        StrictJSON.dumps(object())


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "1e400", "[1]x", "", "[" * 5000, "1" * 5000, '"\\ud800']
)
def test_what_is_not_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        StrictJSON.loads(text)
