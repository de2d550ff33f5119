"""What repeats is dropped, and that never changes what all facts together say."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit import Repetition, repetition
from sidecar.facts import AnyFact, Attribution, Removal, Seen

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
UIDS = ["14013783-c89e-4f50-b1bb-4bcbcdaed690", "7c6bd2f8-2a02-4b0c-8bf0-6f2a7c7b2c11"]


def seen(version: int, second: int, uid: str = UIDS[0]) -> Seen:
    """A tenant at a version, which says its generation and its org; `second`: when it was answered."""
    return Seen(
        tenant_uid=uid,
        generation=version // 3 + 1,
        resource_version=str(version),
        tenant_name="acme",
        zitadel_org_id=f"org {version // 2}",
        packages=(f"package {version // 3}",),
        created_at=AT,
        source="audit",
        at=AT + timedelta(seconds=second),
        time_source="audit",
    )


def asked(
    version: int,
    second: int,
    uid: str = UIDS[0],
    *,
    actor: str = "alice",
    base: str | None = None,
    since: int | None = None,
) -> Attribution:
    """Answered at `second`; sent at `since`, or just before."""
    return Attribution(
        tenant_uid=uid,
        resource_version=str(version),
        generation=version // 3 + 1,
        source="audit",
        request_key=f"{version} {second} {actor}",
        actor=actor,
        operation="patch",
        how="likely",
        base_version=base,
        asked_at=AT + timedelta(seconds=second - 0.5 if since is None else since),
        answered_at=AT + timedelta(seconds=second),
    )


def told(batches: Iterable[Sequence[AnyFact]]) -> list[AnyFact]:
    """What is recorded of these batches, one after the other."""
    known, recorded = Repetition(), list[AnyFact]()
    for batch in batches:
        news = known.without(batch)
        known.kept(news)
        recorded += news
    return recorded


def meaning(facts: Iterable[AnyFact]) -> dict[str, Any]:
    """What a ledger makes of facts: the first sighting of each generation, its orgs, and the first to answer."""
    said: dict[str, Any] = {}
    for fact in facts:
        if isinstance(fact, Seen):
            generation = f"{fact.tenant_uid} generation {fact.generation} began by"
            said[generation] = min(fact.at, said.get(generation, fact.at))
            said[f"{fact.tenant_uid} version {fact.resource_version} had"] = fact.zitadel_org_id
        elif isinstance(fact, Attribution):
            key = f"{fact.tenant_uid} version {fact.resource_version} base {fact.base_version}"
            answer = (fact.answered_at, fact.request_key)
            said[key] = min(answer, said.get(key, answer))
    return said


MOMENTS = st.tuples(st.integers(0, 8), st.integers(0, 6), st.sampled_from(UIDS))
FACTS = (
    MOMENTS.map(lambda told: seen(*told))
    | st.builds(lambda told, actor: asked(*told, actor=actor), MOMENTS, st.sampled_from(["alice", "bob"]))
    | MOMENTS.map(lambda told: asked(*told, base="7"))
)


@given(st.lists(st.lists(FACTS, max_size=5), max_size=12))
def test_what_is_dropped_changes_nothing_in_what_all_facts_say(batches):
    assert meaning(told(batches)) == meaning(fact for batch in batches for fact in batch)


@given(st.lists(FACTS, max_size=30), st.randoms(use_true_random=False))
def test_the_order_and_the_batches_change_nothing(facts, chance):
    shuffled = [*facts, *facts]
    chance.shuffle(shuffled)
    assert meaning(told([[fact] for fact in shuffled])) == meaning(told([facts]))


def test_the_same_again_and_later_is_dropped():
    assert told([[seen(3, 1), asked(3, 1)], [seen(3, 1), asked(3, 1)], [seen(3, 2), asked(3, 2)]]) == [
        seen(3, 1),
        asked(3, 1),
    ]


def test_who_was_answered_later_with_the_same_is_recorded_because_that_may_be_the_author():
    """Bob made it, and read his answer slowly; whoever wrote nothing new meanwhile was answered sooner."""
    facts = [asked(3, 2, since=1), asked(3, 4, actor="bob", since=0), asked(3, 5, since=0)]
    assert told([[fact] for fact in facts]) == facts


def test_the_same_earlier_is_recorded():
    assert told([[seen(3, 5)], [seen(3, 1)], [seen(3, 2)]]) == [seen(3, 5), seen(3, 1)]


def test_another_version_and_another_tenant_are_recorded():
    facts = [seen(3, 1), seen(4, 2), seen(3, 3), seen(3, 3, UIDS[1])]
    assert told([[fact] for fact in facts]) == facts


def test_what_our_webhook_saw_from_its_base_on_is_always_recorded():
    facts = [asked(3, 1), asked(3, 2, base="2"), asked(3, 3, base="2")]
    assert told([[fact] for fact in facts]) == facts


def test_removals_and_those_who_asked_for_them_are_always_recorded():
    gone = Removal(tenant_uid=UIDS[0], time_source="audit", at=AT)
    by = Attribution(
        tenant_uid=UIDS[0],
        source="audit",
        request_key="a",
        actor="bob",
        operation="delete",
        how="proven",
        answered_at=AT,
    )
    assert told([[gone, by]] * 2) == [gone, by] * 2


def test_what_was_not_stored_is_not_known():
    known = Repetition()
    assert known.without([seen(3, 1)]) == [seen(3, 1)]
    assert known.without([seen(3, 1)]) == [seen(3, 1)]


def test_the_memory_is_bounded_and_what_it_forgot_is_recorded_again(monkeypatch):
    monkeypatch.setattr(repetition, "_KEPT_MOST", 10)
    known = Repetition()
    many = [seen(3, 1, f"{n:08x}{UIDS[0][8:]}") for n in range(50)]
    known.kept(many)
    assert len(known._told) == 10
    assert known.without(many) == many[:40]


def test_what_is_heard_of_often_is_not_forgotten_first(monkeypatch):
    monkeypatch.setattr(repetition, "_KEPT_MOST", 2)
    known = Repetition()
    known.kept([seen(3, 1), seen(3, 1, UIDS[1]), seen(3, 1), asked(5, 1)])
    assert known.without([seen(3, 1), seen(3, 1, UIDS[1])]) == [seen(3, 1, UIDS[1])]
