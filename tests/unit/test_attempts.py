"""What our webhook leaves in an audit event comes back out of it, and nothing else does."""

import sys

import pytest

from sidecar.attempts import GROUPS_MOST, NAME_MOST, Attempt, groups_of, name_of, note, noted
from sidecar.tenant import is_uid
from tests.support.reviews import UID


@pytest.mark.parametrize("generation", [1, 7, None])
def test_what_is_left_in_an_audit_event_is_read_from_it(generation):
    attempt = Attempt("285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", UID, "9" * 39, 6, generation)
    kept = {f"record.billing.pieced.ch/{key}": value for key, value in note(attempt).items()}
    assert list(noted(kept)) == [attempt]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("observe.billing.pieced.ch/u.285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", f"{UID} 247 1→2"),
        ("record.billing.pieced.ch/u.mine", f"{UID} 247 1→2"),
        ("record.billing.pieced.ch/observed", "285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a"),
        ("record.billing.pieced.ch/u.285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", f"{UID} 247 1→2 and more"),
        ("record.billing.pieced.ch/u.285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", f"{UID} 247 1→{10**18}"),
        ("record.billing.pieced.ch/u.285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", "acme 247 1→2"),
        ("record.billing.pieced.ch/u.285e7a5f-63ab-4211-a3c2-fb12e4e5ec4a", ""),
    ],
)
def test_annotations_that_are_not_ours_say_nothing(key, value):
    assert list(noted({key: value})) == []


def test_each_call_leaves_a_key_of_its_own():
    calls = [Attempt(f"285e7a5f-63ab-4211-a3c2-fb12e4e5ec{n}", UID, "247", 1, 2) for n in (10, 11)]
    assert len({**note(calls[0]), **note(calls[1])}) == 2


@pytest.mark.parametrize("text", ["", "acme", UID.upper(), UID + "0", f" {UID}", UID.replace("-", "")])
def test_a_uid_is_as_the_api_server_makes_them(text):
    assert is_uid(UID)
    assert not is_uid(text)


def test_names_are_cut_and_have_no_nul():
    assert name_of("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(name_of("a" * 5_000)) == NAME_MOST
    assert len(name_of("\N{GRINNING FACE}" * 5_000).encode()) == NAME_MOST


def test_the_first_groups_are_kept_as_far_as_they_fit():
    assert groups_of(["a" * GROUPS_MOST]) == ("a" * NAME_MOST,)
    assert groups_of(["a"] + ["b" * NAME_MOST] * 9) == ("a", *["b" * NAME_MOST] * 7)
    assert groups_of([f"tenant-operators-{n:03}" for n in range(100)])[-1] == "tenant-operators-077"
    assert groups_of([]) == ()


@pytest.mark.parametrize("letter", ["", "\N{HIRAGANA LETTER A}", "\N{GRINNING FACE}" * NAME_MOST])
def test_groups_take_as_little_memory_of_whatever_they_consist(letter):
    """Who can reach our port may send as many as fit into 16 MiB; thousands of requests are remembered."""
    many = [f"{letter}{n if letter else ''}" for n in range(100_000)]
    kept = groups_of(many)
    assert sys.getsizeof(kept) + sum(map(sys.getsizeof, kept)) < 1.1 * GROUPS_MOST
