"""An EventList is taken apart as it arrives: the same events however it is cut, and nothing of what is none."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit import Batch, Unreadable, batches
from sidecar.brackets import SLICE
from tests.support import captures
from tests.support.audit_events import facts, like

WHOLE = json.dumps({"kind": "EventList", "items": captures.events()}, ensure_ascii=False).encode()


def events(body: bytes, size: int = SLICE) -> list[bytes]:
    batch, found = Batch(), list[bytes]()
    for start in range(0, len(body), size):
        found += batch.feed(body[start : start + size])
    batch.finish()
    return found


def among(*items: bytes) -> bytes:
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + b",".join(items) + b"]}"


@given(st.lists(st.integers(0, len(WHOLE)), max_size=40))
def test_wherever_it_is_cut_it_gives_the_same_events(cuts):
    batch, found, edges = Batch(), list[bytes](), [0, *sorted(cuts), len(WHOLE)]
    for start, end in pairwise(edges):
        found += batch.feed(WHOLE[start:end])
    batch.finish()
    assert [json.loads(event) for event in found] == captures.events()


def test_byte_by_byte_it_gives_the_same_events():
    assert [json.loads(event) for event in events(WHOLE, size=1)] == captures.events()


def test_each_captured_list_gives_its_events_byte_for_byte():
    for line in captures.lines("audit-eventlists.jsonl"):
        found = events(line)
        assert [json.loads(event) for event in found] == json.loads(line)["items"]
        assert all(event in line for event in found)


def test_an_event_is_there_as_soon_as_its_last_byte_is():
    batch = Batch()
    assert batch.feed(b'{"items":[{"a":{}') == []
    assert batch.feed(b"}") == [b'{"a":{}}']


def test_a_body_that_is_cut_off_at_any_byte_is_unreadable():
    body = captures.lines("audit-eventlists.jsonl")[0]
    for end in range(len(body)):
        with pytest.raises(Unreadable):
            events(body[:end])


NONE = {
    "nothing": b"",
    "white space": b" \n",
    "null": b"null",
    "a text": b'"EventList"',
    "a number": b"1",
    "a list": b"[]",
    "bytes": b"\xff\xfe\x00",
    "another kind": b'{"kind":"PodList","items":[]}',
    "another kind with items": b'{"kind":"PodList","items":[{}]}',
    "no kind": b'{"items":[{}]}',
    "one event": json.dumps(like("add")).encode(),
    "items that are no list": b'{"kind":"EventList","items":{}}',
    "numbers for events": among(b"1", b"2"),
    "texts for events": among(b'"{}"'),
    "lists for events": among(b"[]"),
    "a comma too many": among(b"{}", b""),
    "a comma too few": among(b"{}{}"),
    "a comma at the beginning": among(b"", b"{}"),
    "something behind": among(b"{}") + b"{}",
    "the same again": among(b"{}") * 2,
    "closed only": b"]",
    "closed twice": among(b"{}") + b"}",
    "wrongly closed": b'{"kind":"EventList","items":[{}}}',
    "key without value": b'{"kind":"EventList","items":[{}],"x"}',
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_what_is_no_event_list_is_unreadable(body):
    with pytest.raises(Unreadable):
        events(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"EventList"}',
        b'{"kind":"EventList","items":null}',
        among(),
        b'\n{ "items" : [ ] , "kind" : "EventList" }\n',
    ],
)
def test_an_empty_event_list_has_no_events(body):
    assert events(body) == []


def test_white_space_and_other_fields_around_the_events_mean_nothing():
    around = b'{"metadata":{"items":[{"no":"event"}],"a":[[1]]},\n "kind":"EventList", "items" : '
    body = around + b'[ {"a":1} ,\r\n\t{"b":[]} ] }'
    assert events(body) == events(body, size=1) == [b'{"a":1}', b'{"b":[]}']


def test_brackets_and_quotation_marks_within_texts_are_no_structure():
    event = json.dumps({'"]}': ['\\"}', "\\\\", '[{"', "\\"]}).encode()
    assert events(among(event, event)) == events(among(event, event), size=1) == [event, event]


# What a client can have in its patch, which the API server copies byte for byte.
POISON = {
    "a long number": b'{"n":' + b"1" * 100_000 + b"}",
    "a large exponent": b'{"n":1e99999999999999999999}',
    "bytes that are no UTF-8": b'{"n":"\xff\xfe"}',
    "half a pair": b'{"n":"\\ud800"}',
    "nested as deep as Go reads": b'{"n":' + b"[" * 9_990 + b"]" * 9_990 + b"}",
    "a key twice": b'{"n":1,"n":2}',
    "a list of our own": b'[{"items":[{}]}]',
}


@pytest.mark.parametrize("end", [b"", b'"', b"}"])
def test_an_event_that_is_cut_within_a_text_full_of_quotation_marks_is_looked_through_once(end):
    """Or it would take hours: such a text is what `kubectl apply` leaves in an annotation."""
    cut = b'{"requestObject":{"a":"' + b'\\"' * 500_000 + end
    assert batches.without_request(cut) == cut


@pytest.mark.parametrize("patch", POISON.values(), ids=POISON)
def test_what_one_client_wrote_into_its_patch_spoils_no_other_event(patch):
    poisoned = json.dumps(like("json patch", requestObject="PATCH")).encode().replace(b'"PATCH"', patch)
    good = json.dumps(like("add")).encode()
    found = events(among(good, poisoned, good))
    assert found == [good, poisoned, good]
    assert facts(found[2]) == facts(like("add"))


# JSON whose texts look like its structure.
TEXTS = st.text('"[]{}\\,:a', max_size=8)
VALUES = st.recursive(
    st.none() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=40,
)


@given(st.lists(VALUES) | st.dictionaries(TEXTS, VALUES), st.integers(1, 40))
def test_the_request_is_taken_out_of_an_event_in_slices_of_any_size(patch, size):
    event = like("json patch", requestObject={"a": patch}, annotations={})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batches, "SLICE", size)
        assert json.loads(batches.without_request(json.dumps(event).encode())) == event | {"requestObject": None}


@given(st.lists(st.dictionaries(TEXTS, VALUES), max_size=5), st.integers(1, 40))
def test_in_slices_of_any_size_it_gives_the_same_events(items, size):
    bodies = [json.dumps(item).encode() for item in items]
    assert events(among(*bodies), size) == bodies


@pytest.mark.parametrize("event", [b"", b"{", b'{"requestObject":{"a":"', b'{"requestObject":"text"}', b'{"a":{}}]'])
def test_of_what_has_no_whole_request_nothing_is_taken_out(event):
    assert batches.without_request(event) == event


def test_of_an_event_that_is_too_large_nothing_is_kept_and_the_others_are_read(monkeypatch):
    monkeypatch.setattr(batches, "EVENT_MOST", 1_000)
    large, good = b'{"a":"' + b"x" * 1_000 + b'"}', b'{"a":1}'
    for size in (7, 990, SLICE):
        assert events(among(good, large, good), size) == [good, b"", good]
    exact = b'{"a":"' + b"x" * 992 + b'"}'
    assert len(exact) == 1_000
    assert events(among(exact)) == [exact]


def test_of_an_endless_event_little_is_kept(monkeypatch):
    monkeypatch.setattr(batches, "EVENT_MOST", 100_000)
    batch = Batch()
    batch.feed(b'{"items":[{"a":"')
    for _ in range(100):
        assert batch.feed(b"x" * SLICE) == []
        assert len(batch._event or b"") <= 100_000


def refused_after(batch: Batch, piece: bytes) -> int:
    """How many bytes of `piece` again and again it takes before it is unreadable."""
    fed = 0
    try:
        while fed < 1_000_000:
            batch.feed(piece)
            fed += len(piece)
    except Unreadable:
        return fed
    raise AssertionError("it takes them for ever")


@pytest.mark.parametrize("filler", [b" ", b"x", b'"', b"[", b'{"a":', b"[],", b"\\", b"1"])
def test_an_endless_body_that_is_no_event_list_is_refused_early(filler):
    assert refused_after(Batch(), filler * 1_000) < 100_000


def test_an_endless_gap_between_events_is_refused_early():
    batch = Batch()
    batch.feed(b'{"items":[{},')
    assert refused_after(batch, b" " * 1_000) < 100_000


@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_random_bytes_in_a_list_are_events_or_unreadable_and_nothing_else(noise, seed):
    chosen = random.Random(seed)  # noqa: S311 - a place, no secret
    at = chosen.randrange(len(WHOLE))
    body = WHOLE[:at] + noise + WHOLE[at + chosen.randrange(200) :]
    try:
        found = events(body, size=chosen.randrange(1, 5_000))
    except Unreadable:
        return
    assert len(found) <= len(captures.events()) + body.count(b"{")
