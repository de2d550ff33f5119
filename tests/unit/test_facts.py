"""Facts survive the way through the spool unchanged, and what is no fact is known as such."""

import types
import typing
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import facts

KINDS = typing.get_args(facts.AnyFact)

text = st.text(st.characters(exclude_categories=["Cs"]))  # JSON and Postgres text have no lone surrogates
moments = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(-(2**63), 2**63 - 1)


def values(annotation: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Values of a field's type. A type that no fact has had until now is a KeyError here: add it."""
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case types.UnionType | typing.Union:
            return st.one_of(*map(values, arguments))
        case typing.Literal:
            return st.sampled_from(arguments)
        case origin if origin is tuple:
            return st.lists(values(arguments[0]), max_size=4).map(tuple)
        case origin if origin is list:
            return st.lists(values(arguments[0]), max_size=4)
        case origin if origin is dict:
            return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=4)
    return {
        str: text,
        int: numbers,
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        datetime: moments,
        type(None): st.none(),
    }[annotation]


def a_fact(kind: type[facts.Fact]) -> st.SearchStrategy[facts.Fact]:
    fields = typing.get_type_hints(kind)
    return st.builds(kind, **{name: values(fields[name]) for name in kind.__struct_fields__})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_fact_of_every_kind_comes_back_as_it_was(kind, data):
    fact = data.draw(a_fact(kind))
    assert facts.decode(facts.encode(fact)) == fact


def test_every_kind_of_fact_is_named_in_its_bytes():
    tags = {kind.__struct_config__.tag for kind in facts.Fact.__subclasses__()}
    assert tags == {kind.__struct_config__.tag for kind in KINDS}
    fact = facts.Began(cluster_uid="u", at=datetime(2026, 11, 22, tzinfo=UTC))
    assert facts.encode(fact) == b'{"fact":"began","cluster_uid":"u","at":"2026-11-22T00:00:00Z"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"{}",
        b'{"fact":"rumour"}',
        b'{"fact":"began"}',
        b'{"fact":"began","cluster_uid":5,"at":"2026-11-22T00:00:00Z"}',
        b'{"fact":"anomaly","kind":"\xff","detail":{}}',
    ],
)
def test_bytes_that_are_no_fact_are_refused(body):
    with pytest.raises(msgspec.ValidationError):
        facts.decode(body)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_versions_order_as_their_numbers_do(one, other):
    assert (facts.version_key(str(one)) < facts.version_key(str(other))) == (one < other)


def test_a_clocks_seconds_become_utc():
    assert facts.utc(0.25) == datetime(1970, 1, 1, 0, 0, 0, 250000, tzinfo=UTC)
