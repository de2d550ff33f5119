"""What is nested too deep for the decoder is emptied, and nothing else is touched."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import nesting
from sidecar.brackets import SLICE
from tests.support.nested import HERE, LEVELS, nested

KEPT = nesting._KEPT_LEVELS

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\{}[]é', max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\{}[]', max_size=3), inner, max_size=4),
    max_leaves=30,
)


def emptied(value: Any, level: int = 1) -> Any:
    """What `shallow` promises, on values."""
    if isinstance(value, dict):
        return {} if level == KEPT else {key: emptied(each, level + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [] if level == KEPT else [emptied(each, level + 1) for each in value]
    return value


@given(VALUES, VALUES, st.integers(0, 2 * KEPT), st.sampled_from([None, 1]), st.sampled_from([1, 2, 7, 50, SLICE]))
def test_lists_and_objects_at_the_last_level_are_emptied_and_nothing_else_changes(inner, beside, levels, indent, size):
    value = inner
    for level in range(levels):
        value = [beside, value, beside] if level % 2 else {"a": beside, "b": value, "c": beside}
    written = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nesting, "SLICE", size)
        assert json.loads(nesting.shallow(written)) == emptied(value)


@given(VALUES)
def test_what_is_not_deep_stays_byte_for_byte(value):
    written = json.dumps(value).encode()
    assert nesting.shallow(written) == written


@given(st.binary(max_size=300) | st.text('[]{}"\\,', max_size=300).map(str.encode))
def test_any_bytes_come_back_and_never_more_of_them(noise):
    assert len(nesting.shallow(noise)) <= len(noise)
    assert len(nesting.shallow(b"[" * KEPT + noise)) <= KEPT + len(noise)


@pytest.mark.parametrize("noise", [b'\\"', b'"', b"[", b"]", b"[]", b'{"', b"\\", b'"\\'])
def test_no_megabyte_takes_more_than_one_pass(noise):
    """Or it would take hours."""
    nesting.shallow(b'{"a":' + noise * (2**20 // len(noise)))
    nesting.shallow(b'{"a":"' + noise * (2**20 // len(noise)))


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
def test_what_stands_beside_something_deep_is_decoded(levels):
    class Shape(msgspec.Struct):
        name: str
        last: list[int]

    decoder = msgspec.json.Decoder(Shape)
    body = nested({"name": "acme", "deep": HERE, "last": [1, 2]}, levels)
    assert nesting.decode(decoder, body) == nesting.decode(decoder, msgspec.Raw(body)) == Shape("acme", [1, 2])


def test_what_is_wrong_beside_something_deep_is_said_as_ever():
    decoder = msgspec.json.Decoder(dict[str, int])
    with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `object`"):
        nesting.decode(decoder, nested({"deep": HERE}, 100_000))
    with pytest.raises(msgspec.DecodeError):
        nesting.decode(decoder, b"[" * 100_000)
