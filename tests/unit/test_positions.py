"""Marks: what the LISTs beside a stream prove about time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.facts import version_key
from sidecar.watch import positions
from sidecar.watch.positions import MARKS_MOST, Mark, Position

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def held(version: int, *marks: tuple[int, float]) -> Position:
    return Position(
        version=str(version),
        at=T0,
        segment_from_version="1",
        segment_from_at=T0,
        marks=tuple(Mark(str(v), at(s)) for v, s in marks),
        cluster_uid="c",
    )


def test_a_change_is_not_before_the_newest_list_whose_version_is_below_it():
    position = held(100, (90, 1), (100, 2), (105, 3), (120, 4))
    assert position.not_before("101") == at(2)
    assert position.not_before("105") == at(2)  # that list may show the change already
    assert position.not_before("106") == at(3)
    assert position.not_before("1000") == at(4)
    assert position.not_before("90") is None


def test_a_gap_begins_at_the_newest_list_that_the_position_has_passed():
    assert held(100, (90, 1), (100, 2), (105, 3)).passed() == at(2)
    assert held(100, (101, 1)).passed() is None
    assert held(100).passed() is None


def test_versions_are_compared_by_length_first():
    assert held(99, (99, 1), (100, 2)).not_before("101") == at(2)
    assert held(99).moved("100", at(1)).version == "100"
    assert held(100).moved("99", at(1)).version == "100"


def test_a_position_keeps_the_newest_mark_it_has_passed_and_those_above():
    moved = held(100, (90, 1), (105, 3), (108, 4), (120, 5)).moved("110", at(6))
    assert [m.version for m in moved.marks] == ["108", "120"]


def test_a_later_list_with_the_same_version_replaces_the_earlier():
    assert held(100, (100, 1)).marked("100", at(2)).marks == (Mark("100", at(2)),)


def test_an_older_list_that_is_heard_of_late_proves_nothing_new():
    position = held(100, (100, 2))
    assert position.marked("100", at(1)) == position
    assert position.marked("95", at(1)) == position


def test_marks_are_bounded_and_the_one_below_the_position_stays():
    position = held(100, (100, 0))
    for n in range(1, 500):
        position = position.marked(str(100 + n), at(n))
    assert len(position.marks) == MARKS_MOST
    assert position.marks[0] == Mark("100", at(0))
    assert position.marks[-1] == Mark("599", at(499))


def test_a_position_survives_its_bytes():
    position = held(100, (100, 1.25), (2**100, 2))
    assert positions.decode(positions.encode(position)) == position


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=20),
    st.lists(st.integers(1, 60), max_size=5),
    st.integers(1, 62),
)
def test_no_kept_mark_claims_more_than_all_lists_together_would(lists, moves, version):
    position = held(1)
    for listed, sent in lists:
        position = position.marked(str(listed), at(sent))
    for moved in moves:
        position = position.moved(str(moved), at(100))
    proven = [at(sent) for listed, sent in lists if listed < version]
    answer = position.not_before(str(version))
    assert answer is None or (proven and answer <= max(proven))
    if version_key(str(version)) > version_key(position.version):
        assert answer == (max(proven) if proven else None)  # for what is still to come nothing was given up
