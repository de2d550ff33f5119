"""The rules of events, baselines, times, and ends, as properties over random histories."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.facts import AnyFact, Attribution, Began, Removal, Seen
from sidecar.ledger import Ledger
from sidecar.ledger.filing import Filing, file
from sidecar.verify import check
from tests.conftest import Databases
from tests.support.history import Gone, Version, World, namesakes, shuffled
from tests.support.requests import Call, Reported, reports

# Each example is a transaction on a real database, rolled back at its end: no database to make, none to clean.
thorough = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

VIEWS = {
    "skill_events": "SELECT tenant_uid::text, tenant_name, zitadel_org_id, skill_id, event_kind, generation, "
    "occurred_at, not_before, time_source FROM ledger.skill_events ORDER BY 1, 6, 4",
    "suspension_events": "SELECT tenant_uid::text, tenant_name, zitadel_org_id, event_kind, generation, "
    "occurred_at, not_before, time_source FROM ledger.suspension_events ORDER BY 1, 5",
    "skill_intervals": "SELECT tenant_uid::text, skill_id, started_at, ended_at FROM ledger.skill_intervals "
    "ORDER BY 1, 2, 3",
    "lifecycle": "SELECT tenant_uid::text, tenant_name, zitadel_org_id, created_at, deleted_at, deleted_not_before, "
    "deleted_source FROM public.tenant_billing_lifecycle ORDER BY 1",
    "missing": "SELECT tenant_uid::text, generation_from, generation_to, not_before, at "
    "FROM ledger.missing_generations ORDER BY 1, 2",
    "open_ends": "SELECT tenant_uid::text, last_known_generation FROM ledger.open_ends ORDER BY 1",
    "gaps": "SELECT from_version, to_version FROM ledger.gaps ORDER BY 1",
    "authors": "SELECT tenant_uid::text, generation, actor, how, operation, answered_at FROM ledger.authors "
    "ORDER BY 1, 2",
    "timeline": "SELECT tenant_uid::text, generation, change, skill_id, occurred_at, not_before, time_source, actor, "
    "how FROM ledger.timeline ORDER BY 1, 2 NULLS LAST, 3, 4",
    "clock_skew": "SELECT tenant_uid::text, detail FROM ledger.anomalies WHERE kind = 'clock_skew' ORDER BY 1, 2",
}


History = dict[str, list[tuple]]


async def read(connection: asyncpg.Connection) -> History:
    return {name: [tuple(row) for row in await connection.fetch(sql)] for name, sql in VIEWS.items()}


ByHand = Callable[[asyncpg.Connection], Awaitable[None]]


async def filed(
    address: str, batches: list[list[AnyFact]], between: tuple[int, ByHand] | None = None
) -> tuple[History, list[str]]:
    """What the ledger says after these batches, and what `verify` holds against it; leaves nothing behind.

    `between`: what a person does, after how many of the batches.
    """
    after, by_hand = between or (None, None)
    connection = await asyncpg.connect(address)
    transaction = connection.transaction()
    await transaction.start()
    try:
        for number, batch in enumerate([*batches, []]):
            if by_hand is not None and number == after:
                await by_hand(connection)
            await file(connection, batch)
        # The guard against mass removals depends on the order, loudly; a person's word makes it the same again.
        await Filing(connection).accept_removals("test")
        return await read(connection), (await check(connection)).differences
    finally:
        await transaction.rollback()
        await connection.close()


@thorough
@given(report=reports(), seed=st.integers(0, 2**32))
def test_any_order_batching_and_repetition_gives_one_history(ledger_address: str, report, seed) -> None:
    facts = report.facts

    async def run() -> None:
        expected, no_differences = await filed(ledger_address, [facts])
        found, differences = await filed(ledger_address, shuffled(facts, seed))
        assert found == expected
        assert no_differences == differences == []

    asyncio.run(run())


@thorough
@given(facts=namesakes(), seed=st.integers(0, 2**32))
def test_many_tenants_of_one_name_end_one_another_in_any_order(ledger_address: str, facts, seed) -> None:
    async def run() -> None:
        expected, no_differences = await filed(ledger_address, [facts])
        found, differences = await filed(ledger_address, shuffled(facts, seed))
        assert found == expected
        assert no_differences == differences == []
        assert [row[4] for row in found["lifecycle"]].count(None) <= 1

    asyncio.run(run())


@thorough
@given(report=reports(), seed=st.integers(0, 2**32), ahead=st.integers(2, 600))
def test_clocks_that_disagree_are_found_in_any_order(ledger_address: str, report, seed, ahead) -> None:
    facts = [behind(fact, timedelta(seconds=ahead)) for fact in report.facts]

    async def run() -> None:
        expected, no_differences = await filed(ledger_address, [facts])
        found, differences = await filed(ledger_address, shuffled(facts, seed))
        assert found == expected
        assert no_differences == differences == []
        assert {(uid, json.loads(detail)["generation"]) for uid, detail in found["clock_skew"]} == skewed(facts)

    asyncio.run(run())


def behind(fact: AnyFact, seconds: timedelta) -> AnyFact:
    """The fact as an API server tells it whose clock is slow."""
    if isinstance(fact, Seen | Removal) and fact.time_source == "audit":
        return msgspec.structs.replace(fact, at=fact.at - seconds)
    return fact


def skewed(facts: list[AnyFact]) -> set[tuple[str, int]]:
    """The tenants and generations that by one fact had not begun when by another they had, by more than a second."""
    told: dict[str, list[Seen]] = {}
    for fact in facts:
        if isinstance(fact, Seen):
            told.setdefault(fact.tenant_uid, []).append(fact)
    found = set()
    for uid, sightings in told.items():
        created = sightings[0].created_at
        for generation in {s.generation for s in sightings}:
            later = [s.at for s in sightings if s.generation >= generation]
            began = created if generation == 1 else max(created, min(later))
            bounds = [s.not_before for s in sightings if s.generation <= generation and s.not_before is not None]
            if bounds and max(bounds) - began > timedelta(seconds=1):
                found.add((uid, generation))
    return found


@thorough
@given(report=reports(), seed=st.integers(0, 2**32), step=st.integers(0, 45), moment=st.integers(0, 100))
def test_an_end_set_by_hand_stops_nothing_and_the_earlier_one_stays(
    ledger_address: str, report, seed, step, moment
) -> None:
    """A person ends all that live, somewhere between the batches; everything else is as if they had not."""
    facts, at = report.facts, report.world.time_at(step)
    batches = shuffled(facts, seed)

    async def by_hand(connection: asyncpg.Connection) -> None:
        for row in await connection.fetch(BY_HAND, at):
            ended[row["tenant_uid"]] = row["deleted_at"]

    ended: dict[str, datetime] = {}

    async def run() -> None:
        expected, _ = await filed(ledger_address, [facts])
        found, differences = await filed(ledger_address, batches, between=(moment % (len(batches) + 1), by_hand))
        for untouched in ("skill_events", "suspension_events", "missing", "gaps", "authors", "clock_skew"):
            assert found[untouched] == expected[untouched]
        earlier = set()
        for row, usual in zip(found["lifecycle"], expected["lifecycle"], strict=True):
            uid, end = usual[0], usual[4]
            if uid in ended and (end is None or ended[uid] < end):
                earlier.add(uid)
                assert row == (*usual[:4], ended[uid], None, "inferred")
            else:
                assert row == usual
        assert len(differences) == len(earlier)
        assert all("the facts say" in difference for difference in differences)

    asyncio.run(run())


BY_HAND = """
    UPDATE public.tenant_billing_lifecycle
    SET deleted_at = greatest($1, created_at), deleted_not_before = NULL, deleted_source = 'inferred'
    WHERE deleted_at IS NULL
    RETURNING tenant_uid::text, deleted_at
"""


@settings(thorough, max_examples=thorough.max_examples // 5)
@given(report=reports(), seed=st.integers(0, 2**32))
def test_two_sidecars_that_flush_at_the_same_time_give_one_history(
    ledgers: Databases, ledger_address: str, report, seed
) -> None:
    facts = report.facts
    batches = shuffled(facts, seed)

    async def flush(address: str, batches: list[list[AnyFact]]) -> None:
        ledger = Ledger(address)
        for batch in batches:
            await ledger.deliver(batch)
        await ledger.close()

    async def run() -> None:
        expected, _ = await filed(ledger_address, [facts])
        async with ledgers() as address:
            await asyncio.gather(flush(address, batches[::2]), flush(address, batches[1::2]))
            found, differences = await filed(address, [])
        assert found == expected
        assert differences == []

    asyncio.run(run())


@thorough
@given(report=reports(), seed=st.integers(0, 2**32))
def test_what_was_seen_whole_is_the_truth_and_nothing_is_invented(ledger_address: str, report, seed) -> None:
    world, facts = report.world, report.facts
    views, _ = asyncio.run(filed(ledger_address, shuffled(facts, seed)))
    check_missing(world, facts, views)
    check_events(world, facts, views)
    check_times(world, views)
    check_ends(world, views)


def started_at(facts: list[AnyFact]):
    return min((f.at for f in facts if isinstance(f, Began)), default=None)


def inherited(world: World, facts: list[AnyFact], uid: str) -> bool:
    start = started_at(facts)
    return start is None or world.generations(uid)[1].created_at < start


def check_missing(world: World, facts: list[AnyFact], views) -> None:
    listed = {(uid, g) for uid, low, high, *_ in views["missing"] for g in range(low, high + 1)}
    expected = set()
    for uid in world.uids:
        known = {f.generation for f in facts if isinstance(f, Seen) and f.tenant_uid == uid}
        ends = [
            f.last_generation for f in facts if isinstance(f, Removal) and f.tenant_uid == uid and f.last_generation
        ]
        if known:
            lowest = min(known) if inherited(world, facts, uid) else 1
            expected |= {(uid, g) for g in range(lowest, max([*known, *ends]) + 1) if g not in known}
    assert listed == expected


def check_events(world: World, facts: list[AnyFact], views) -> None:
    """A tenant with no missing generation has exactly the true events, from its baseline on."""
    gapped = {row[0] for row in views["missing"]}
    adopted = any(type(f).__name__ == "Adopted" for f in facts)
    for uid in set(world.uids) - gapped:
        known = sorted({f.generation for f in facts if isinstance(f, Seen) and f.tenant_uid == uid})
        if not known:
            continue
        generations = world.generations(uid)
        baseline_counts = adopted or not inherited(world, facts, uid)
        packages: set[str] = set() if baseline_counts else set(generations[known[0]].packages)
        suspended = False if baseline_counts else generations[known[0]].suspended
        skills, suspensions = [], []
        for number in known:
            write = generations[number]
            if write.deletion_requested_at:
                continue
            skills += [(number, s, "enabled") for s in set(write.packages) - packages]
            skills += [(number, s, "disabled") for s in packages - set(write.packages)]
            if write.suspended != suspended:
                suspensions.append((number, "suspended" if write.suspended else "resumed"))
            packages, suspended = set(write.packages), write.suspended
        assert [(r[5], r[3], r[4]) for r in views["skill_events"] if r[0] == uid] == sorted(skills)
        assert [(r[4], r[3]) for r in views["suspension_events"] if r[0] == uid] == suspensions


def check_times(world: World, views) -> None:
    """The true time lies between not_before and occurred_at; assumptions say that they are some."""
    for uid, *_, generation, occurred_at, not_before, source in [
        *((r[0], r[5], *r[6:]) for r in views["skill_events"]),
        *((r[0], r[4], *r[5:]) for r in views["suspension_events"]),
    ]:
        true = world.generations(uid)[generation].at
        removal = world.removal(uid)
        if source in {"assumed", "suspended_at"}:
            assert occurred_at <= true + timedelta(0)
        elif source == "creation":
            assert occurred_at == true
        else:
            assert true <= occurred_at, (source, generation)
            assert removal is None or occurred_at <= removal.at + timedelta(days=1)
        if not_before is not None:
            assert not_before <= occurred_at
            assert not_before <= true


def check_ends(world: World, views) -> None:
    """Nobody ends who did not; an end that is not a request's or a successor's is bracketed by its bounds."""
    for uid, _, _, created_at, deleted_at, not_before, source in views["lifecycle"]:
        generations = world.generations(uid)
        removal = world.removal(uid)
        requested = [w.deletion_requested_at for w in generations.values() if w.deletion_requested_at]
        assert created_at == generations[1].at
        if deleted_at is None:
            continue
        if source == "deletion":
            assert deleted_at == requested[0]
        elif source == "inferred":
            assert removal is not None
            assert deleted_at >= removal.at
        else:
            assert removal is not None
            assert deleted_at >= (requested[0] if requested else removal.at)
            assert not requested or deleted_at >= removal.at
        if not_before is not None:
            assert not_before <= min([*requested, *([removal.at] if removal else [])])


@thorough
@given(report=reports(), seed=st.integers(0, 2**32))
def test_nobody_is_said_to_have_made_what_another_made(ledger_address: str, report: Reported, seed) -> None:
    """Proven and claimed are right; likely is, wherever the audit log has the one who did it."""
    views, _ = asyncio.run(filed(ledger_address, shuffled(report.facts, seed)))
    authors = {(uid, generation): (actor, how) for uid, generation, actor, how, *_ in views["authors"]}
    told = {call for call in report.seen.logged if not call.rival and not call.again}
    for number, write in enumerate(report.world.writes):
        key = made(report.world, write)
        if key is None:
            continue
        actor, how = authors.pop(key, (None, None))
        logged = [call for call in told if call.number == number and audit_tells(report, call)]
        if logged or (how in ("proven", "claimed") and not is_hidden(report, number)):
            assert actor == write.actor, (key, how, write)
    assert not [key for key, (_, how) in authors.items() if how != "likely"], "something has an author that never was"


@thorough
@given(report=reports(), seed=st.integers(0, 2**32))
def test_who_was_seen_alone_by_webhook_and_watch_is_named(ledger_address: str, report: Reported, seed) -> None:
    views, _ = asyncio.run(filed(ledger_address, shuffled(report.facts, seed)))
    authors = {(uid, generation): actor for uid, generation, actor, *_ in views["authors"]}
    rivals = {call.number for call in report.seen.heard if call.rival}
    for call, replica in report.seen.heard.items():
        write = report.world.writes[call.number]
        key = made(report.world, write)
        if key is None or call.number in rivals or not is_watched(report, write, replica):
            continue
        assert authors[key] == write.actor, (key, write)


def made(world: World, write: Version | Gone) -> tuple[str, int | None] | None:
    """Tenant and generation (None: its removal) that the write made; None if it made neither."""
    if isinstance(write, Gone):
        return write.last.uid, None
    before = world.before(write)
    return (write.uid, write.generation) if before is None or before.generation < write.generation else None


def audit_tells(report: Reported, call: Call) -> bool:
    """Whether the event that was logged says who: without objects, only if our webhook left its note in it."""
    return report.seen.logged[call] == "RequestResponse" or call in report.seen.heard


def is_hidden(report: Reported, number: int) -> bool:
    """Whether a replica saw one who came too late, and nobody that is left tells of the one who came first.

    The webhook of another replica heard of them, whose stream did not show the write.
    """
    write = report.world.writes[number]
    heard = {call.rival: replica for call, replica in report.seen.heard.items() if call.number == number}
    return True in heard and not is_watched(report, write, heard[False])


def is_watched(report: Reported, write: Version | Gone, replica: int) -> bool:
    return any(
        report.world.version_at(first) < write.version <= report.world.version_at(last)
        for first, last in report.streams[replica]
    )


def test_the_generator_makes_histories_worth_testing() -> None:
    """Guards the properties against a generator that makes only empty worlds."""
    found: set[str] = set()

    @settings(max_examples=300, deadline=None, database=None)
    @given(report=reports())
    def collect(report) -> None:
        world, facts = report.world, report.facts
        found.update(type(f).__name__ for f in facts)
        found.update(f"{f.source} {f.how}" for f in facts if isinstance(f, Attribution))
        names = [w.name for w in world.writes if isinstance(w, Version) and w.generation == 1]
        if len(names) > len(set(names)):
            found.add("recreated")
        if any(isinstance(w, Version) and w.deletion_requested_at for w in world.writes):
            found.add("requested")
        if any(isinstance(w, Gone) for w in world.writes):
            found.add("gone")

    collect()
    assert found >= {
        "Seen",
        "Removal",
        "Census",
        "Segment",
        "Began",
        "Adopted",
        "admission claimed",
        "audit proven",
        "audit likely",
        "recreated",
        "requested",
        "gone",
    }
