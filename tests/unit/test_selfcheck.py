"""Which differences between a list and the memory are the stream's fault."""

import json
from datetime import UTC, datetime

import pytest

from sidecar.watch.memory import Memory
from sidecar.watch.news import Change, Unusable, read_item, read_line
from sidecar.watch.positions import Position
from sidecar.watch.selfcheck import SelfCheck, Timetable
from tests.support.scripted import LABEL, event, tenant, uid

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
POSITION = Position(version="100", at=T0, segment_from_version="1", segment_from_at=T0, cluster_uid="c")


def tell(memory, kind, *args, **more):
    news = read_line(event(kind, tenant(*args, **more)), LABEL)
    assert isinstance(news, Change)
    memory.follow(news, POSITION, T0, live=True)


def item(*args, **more):
    return read_item(json.dumps(tenant(*args, **more)).encode(), LABEL)


@pytest.fixture
def memory():
    memory = Memory({})
    tell(memory, "ADDED", 1, 1, 10, ("a",))
    tell(memory, "ADDED", 2, 1, 20, ("a",))
    return memory


def check(memory, version, *items):
    started = SelfCheck(memory)
    started.page(items)
    return started, started.listed(str(version))


def test_a_list_that_agrees_gives_no_suspect(memory):
    started, suspects = check(memory, 20, item(1, 1, 10, ("a",)), item(2, 1, 25, ("a",), status={"x": 1}))
    assert not suspects
    assert started.differences() == ()


def test_what_the_stream_explains_in_time_is_no_difference(memory):
    started, suspects = check(memory, 30, item(1, 2, 25, ("b",)), item(3, 1, 26, ("c",)))  # 2 is absent
    assert suspects
    tell(memory, "MODIFIED", 1, 2, 25, ("b",))
    tell(memory, "ADDED", 3, 1, 26, ("c",))
    tell(memory, "DELETED", 2, 1, 27, ("a",))
    assert started.differences() == ()


def test_what_the_stream_never_tells_is_a_difference(memory):
    started, _ = check(memory, 30, item(1, 2, 25, ("b",)), item(3, 1, 26, ("c",)))
    assert started.differences() == (uid(1), uid(3), uid(2))


def test_other_content_under_the_same_version_is_a_difference(memory):
    started, _ = check(memory, 20, item(1, 1, 10, ("a", "default")), item(2, 1, 20, ("a",)))
    assert started.differences() == (uid(1),)


def test_a_tenant_that_is_newer_than_the_list_is_no_suspect(memory):
    tell(memory, "ADDED", 3, 1, 40, ("c",))
    tell(memory, "MODIFIED", 1, 2, 41, ("b",))
    _, suspects = check(memory, 30, item(1, 1, 10, ("a",)), item(2, 1, 20, ("a",)))
    assert not suspects


def test_a_tenant_that_went_while_the_list_was_read_is_no_difference(memory):
    started = SelfCheck(memory)
    tell(memory, "DELETED", 2, 1, 31, ("a",))
    started.page([item(1, 1, 10, ("a",)), item(2, 1, 20, ("a",))])
    assert not started.listed("30")


def test_an_object_without_an_identity_counts_as_there(memory):
    damaged = item(2, 1, 20, ("a",), metadata={"generation": 0})
    assert isinstance(damaged, Unusable)
    _, suspects = check(memory, 30, item(1, 1, 10, ("a",)), damaged)
    assert not suspects


def test_suspects_are_bounded(memory):
    started, _ = check(memory, 5000, *(item(n, 1, n, ("a",)) for n in range(100, 1500)))
    assert len(started.differences()) == 1000 + 2


def test_checks_are_due_from_half_to_one_and_a_half_times_the_set_time(monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    timetable = Timetable(1200)
    due = set()
    for _ in range(200):
        timetable.renew()
        due.add(timetable.due_at)
    assert 1000 + 600 <= min(due) < 1000 + 700
    assert 1000 + 1700 < max(due) <= 1000 + 1800
