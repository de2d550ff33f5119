"""Two copies of a tenant are the same content or they are not, however their JSON was written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import digest
from tests.support import captures

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=4)


def stored(spec: str, metadata: str = "{}") -> bytes | None:
    return digest.stored(f'{{"metadata":{metadata},"spec":{spec}}}'.encode())


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(OBJECTS)
def test_the_order_of_keys_and_white_space_mean_nothing(obj):
    plain = digest.stored(json.dumps(obj).encode())
    assert plain is not None
    assert digest.stored(json.dumps(shuffled(obj), indent=3, ensure_ascii=False).encode()) == plain


@given(OBJECTS, OBJECTS)
def test_other_content_is_another_digest(first, second):
    # `repr`, because to Python 1, 1.0 and True are equal
    same = repr(sorted(first.items())) == repr(sorted(second.items()))
    if not same and json.dumps(first, sort_keys=True) != json.dumps(second, sort_keys=True):
        assert digest.stored(json.dumps(first).encode()) != digest.stored(json.dumps(second).encode())


def test_the_order_of_a_list_is_content():
    assert stored('["a","b"]') != stored('["b","a"]')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", '"1"'),
        ("1", "true"),
        ("9007199254740993", "9007199254740992"),  # one float
        ("9007199254740993.0", "9007199254740992.0"),
        ("9223372036854775808", "9223372036854775807"),  # 2**63
        ("18446744073709551616", "18446744073709551617"),  # 2**64
        ("1e400", "1e401"),  # both infinite as floats
        ("1e-400", "0.0"),
        ("0.1", "0.1000000000000000055511151231257827"),  # one float
    ],
)
def test_two_numbers_that_a_float_cannot_tell_apart_are_two_contents(one, other):
    assert None not in (stored(one), stored(other))
    assert stored(one) != stored(other)


def test_the_version_is_no_content_and_the_generation_is():
    first = stored("{}", '{"resourceVersion":"1","generation":1}')
    assert first == stored("{}", '{"resourceVersion":"2","generation":1}') == stored("{}", '{"generation":1}')
    assert first != stored("{}", '{"resourceVersion":"1","generation":2}')


def test_a_version_elsewhere_in_the_object_is_content():
    assert stored('{"resourceVersion":"1"}') != stored('{"resourceVersion":"2"}')


def test_what_a_pending_deletion_changes_is_left_out_of_the_digest_of_one():
    before = b'{"metadata":{"uid":"a","generation":1,"resourceVersion":"5"},"spec":1}'
    after = (
        b'{"metadata":{"uid":"a","generation":2,"resourceVersion":"6","deletionTimestamp":"2026-11-22T09:26:58Z",'
        b'"deletionGracePeriodSeconds":0,"finalizers":["foregroundDeletion"]},"spec":1}'
    )
    assert digest.undeleted(before) == digest.undeleted(after) is not None
    assert digest.undeleted(before) != digest.undeleted(before.replace(b'"spec":1', b'"spec":2'))
    assert digest.stored(before) != digest.stored(after)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"a":1',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"1" * 5_000 + b"}",  # more digits than Python makes a number of
        b'{"a":"' + b"x" * 4 * 2**20 + b'"}',
    ],
    ids=["nothing", "null", "list", "text", "cut", "no UTF-8", "half a pair", "deep", "long number", "large"],
)
def test_what_cannot_be_an_object_of_kubernetes_has_no_digest(body):
    assert digest.stored(body) is None
    assert digest.undeleted(body) is None


@pytest.mark.parametrize("metadata", ["null", "[]", '"text"', "5"])
def test_odd_metadata_is_content_like_any_other(metadata):
    assert stored("{}", metadata) != stored("{}")
    assert stored("{}", metadata) is not None


def test_the_webhook_and_the_watch_show_the_same_content_of_each_captured_change():
    seen = [
        digest.stored(json.dumps(json.loads(line)["object"]).encode()) for line in captures.lines("watch-stream.jsonl")
    ]
    changes = [
        request["object"]
        for request in (review["request"] for review in captures.reviews())
        if request["operation"] == "UPDATE"
        and request["object"]["metadata"]["generation"] > request["oldObject"]["metadata"]["generation"]
        and not request["dryRun"]
    ]
    assert len(changes) == 5
    assert all(digest.stored(json.dumps(each).encode()) in seen for each in changes)
