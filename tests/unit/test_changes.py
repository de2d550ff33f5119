"""The pure rules: which events follow from neighbours, and when a tenant ended."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.changes import Event, Observed, between, end, of_history, state_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
skills = st.frozensets(st.sampled_from(["a", "b", "c"]))


def observed(generation: int, *packages: str, suspended: bool = False) -> Observed:
    return Observed(generation, frozenset(packages), suspended)


def test_packages_gained_are_enabled_and_lost_are_disabled() -> None:
    assert list(between(observed(1, "a", "b"), observed(2, "b", "c"))) == [
        Event(2, "c", "enabled"),
        Event(2, "a", "disabled"),
    ]


def test_the_suspend_flag_rising_is_suspended_and_falling_is_resumed() -> None:
    assert list(between(observed(1), observed(2, suspended=True))) == [Event(2, None, "suspended")]
    assert list(between(observed(2, suspended=True), observed(3))) == [Event(3, None, "resumed")]


def test_a_requested_deletion_yields_no_event() -> None:
    assert not list(between(observed(1, "a"), Observed(2, frozenset(), False, NOON)))


def test_an_inherited_baseline_is_compared_with_nothing_and_writes_nothing() -> None:
    history = [observed(7, "a", "b"), observed(8, "a", "b", "c")]
    assert list(of_history(history, baseline_counts=False)) == [Event(8, "c", "enabled")]
    assert list(of_history(history, baseline_counts=True))[:2] == [
        Event(7, "a", "enabled"),
        Event(7, "b", "enabled"),
    ]


def test_an_unreadable_generation_is_passed_over() -> None:
    history = [observed(1, "a"), Observed(2, None, False), observed(3, "b")]
    assert list(of_history(history, baseline_counts=False)) == [
        Event(3, "b", "enabled"),
        Event(3, "a", "disabled"),
    ]


@given(st.lists(st.tuples(skills, st.booleans()), min_size=1), st.randoms())
def test_replaying_the_events_gives_each_generations_state_also_when_some_repeat(contents, random) -> None:
    history = [Observed(n, packages, suspended) for n, (packages, suspended) in enumerate(contents, start=1)]
    events = set(of_history(history, baseline_counts=True))
    # Rows written while some generations were not known yet: they say the state of their generation, so they repeat.
    part = [o for o in history if random.random() < 0.5]
    events |= set(of_history(part, baseline_counts=True))
    enabled: set[str] = set()
    suspended = False
    for now in history:
        for event in (e for e in events if e.generation == now.generation):
            assert state_of(now, event.skill_id) == event.kind
            if event.skill_id is None:
                suspended = event.kind == "suspended"
            else:
                (enabled.add if event.kind == "enabled" else enabled.discard)(event.skill_id)
        assert (frozenset(enabled), suspended) == (now.packages, now.suspended)


def test_a_tenant_ends_at_the_least_of_all_ends_and_not_before_its_creation() -> None:
    assert end(NOON, [None, NOON + timedelta(hours=2), NOON + timedelta(hours=1)]) == NOON + timedelta(hours=1)
    assert end(NOON, [NOON - timedelta(seconds=1)]) == NOON
    assert end(NOON, [None]) is None
