"""What the ledger makes of facts: one claim a test, on a real Postgres."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from sidecar.errors import Misconfigured, Refused, Unavailable
from sidecar.facts import Adopted, Anomaly, Attribution, Began, Census, Removal, Seen, Segment
from sidecar.ledger import Ledger
from sidecar.ledger.guard import too_many_vanished
from sidecar.verify import verify

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLUSTER = "cluster-a"
BEGAN = Began(cluster_uid=CLUSTER, at=NOON)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def tenant(number: int = 1, generation: int = 1, *packages: str, version: int | None = None, **more) -> Seen:
    given = {
        "tenant_uid": uid(number),
        "generation": generation,
        "resource_version": str(version or generation * 10),
        "tenant_name": f"tenant-{number}",
        "zitadel_org_id": "org",
        "packages": tuple(sorted(packages)),
        "created_at": minutes(1),
        "source": "watch",
        "at": minutes(generation),
        "time_source": "watch",
    }
    return Seen(**(given | more))


@pytest.fixture
async def ledger(ledger_database: str):
    ledger = Ledger(ledger_database)
    yield ledger
    await ledger.close()


@pytest.fixture
async def sql(ledger_database: str):
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


async def events(sql: asyncpg.Connection) -> list[tuple]:
    rows = await sql.fetch(
        "SELECT generation, skill_id, event_kind FROM ledger.skill_events ORDER BY generation, skill_id"
    )
    return [tuple(row) for row in rows]


async def anomalies(sql: asyncpg.Connection) -> list[str]:
    return [row["kind"] for row in await sql.fetch("SELECT kind FROM ledger.anomalies ORDER BY id")]


async def ended(sql: asyncpg.Connection) -> dict[str, tuple]:
    rows = await sql.fetch("SELECT tenant_name, deleted_at, deleted_source FROM public.tenant_billing_lifecycle")
    return {row["tenant_name"]: (row["deleted_at"], row["deleted_source"]) for row in rows}


async def test_two_writers_that_bring_neighbours_at_once_lose_no_event(ledger_database, ledger, sql) -> None:
    other = Ledger(ledger_database)
    await ledger.deliver([BEGAN])
    await other.deliver([])
    await asyncio.gather(ledger.deliver([tenant(1, 1, "a"), tenant(1, 3, "a")]), other.deliver([tenant(1, 2)]))
    await other.close()
    assert await events(sql) == [(1, "a", "enabled"), (2, "a", "disabled"), (3, "a", "enabled")]


async def test_the_writers_lock_makes_the_second_wait_and_then_see_the_first(ledger_database, ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a"), tenant(1, 3, "a")])
    async with sql.transaction():
        await sql.execute("SELECT pg_advisory_xact_lock(7021963405412)")
        waiting = asyncio.create_task(ledger.deliver([tenant(1, 2)]))
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        watcher = await asyncpg.connect(ledger_database)
        while not await watcher.fetchval(blocked):  # noqa: ASYNC110 - the event happens in Postgres
            await asyncio.sleep(0.01)
        await watcher.close()
        assert not waiting.done()
    await waiting
    assert (2, "a", "disabled") in await events(sql)


async def test_a_repeated_delivery_adds_nothing(ledger) -> None:
    batch = [
        BEGAN,
        tenant(1, 1, "a", "b"),
        tenant(1, 2, "b", suspended=True),
        Removal(tenant_uid=uid(1), time_source="watch", at=minutes(5), last_generation=2),
    ]
    first = await ledger.deliver(batch)
    again = await ledger.deliver(batch)
    assert (first.lifecycle, first.skill_events, first.suspension_events) == (1, 3, 1)
    assert (again.lifecycle, again.skill_events, again.suspension_events) == (0, 0, 0)


async def test_an_inherited_baseline_waits_for_adoption_and_a_change_does_not(ledger, sql) -> None:
    old = {"created_at": minutes(-600)}
    await ledger.deliver([BEGAN, tenant(1, 7, "a", "b", **old), tenant(2, 3, "x", **old)])
    assert await events(sql) == []
    assert await ended(sql) == {}
    await ledger.deliver([tenant(1, 8, "a", "b", "c", **old)])
    assert await events(sql) == [(8, "c", "enabled")]
    assert await ended(sql) == {"tenant-1": (None, None)}
    filed = await ledger.deliver([Adopted(at=minutes(9), by="test")])
    assert (filed.lifecycle, filed.skill_events) == (1, 3)
    assert await events(sql) == [
        (3, "x", "enabled"),
        (7, "a", "enabled"),
        (7, "b", "enabled"),
        (8, "c", "enabled"),
    ]
    times = await sql.fetch("SELECT DISTINCT occurred_at, time_source FROM ledger.skill_events WHERE generation < 8")
    assert [tuple(row) for row in times] == [(minutes(-600), "assumed")]
    assert (await ledger.deliver([Adopted(at=minutes(10), by="again")])).skill_events == 0
    assert await sql.fetchval("SELECT count(*) FROM ledger.missing_generations") == 0


async def test_an_older_generation_becomes_the_baseline_and_the_same_rule_runs_again(ledger, sql) -> None:
    old = {"created_at": minutes(-600)}
    await ledger.deliver([BEGAN, tenant(1, 7, "b", **old), Adopted(at=minutes(9), by="test")])
    await ledger.deliver([tenant(1, 5, "a", source="audit", time_source="audit", at=minutes(-500), **old)])
    assert await events(sql) == [(5, "a", "enabled"), (7, "a", "disabled"), (7, "b", "enabled")]
    rows = await sql.fetch("SELECT generation, occurred_at, time_source FROM ledger.skill_events ORDER BY generation")
    assert tuple(rows[0]) == (5, minutes(-600), "assumed")
    assert {tuple(row)[2] for row in rows[1:]} == {"watch"}


async def test_inherited_and_gone_before_the_adoption_is_billed_after_it(ledger, sql) -> None:
    old = {"created_at": minutes(-600)}
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 7, "a", **old),
            Removal(tenant_uid=uid(1), time_source="watch", at=minutes(8), last_generation=7),
        ]
    )
    assert await ended(sql) == {"tenant-1": (minutes(8), "watch")}
    assert await events(sql) == []
    await ledger.deliver([Adopted(at=minutes(9), by="test")])
    interval = await sql.fetchrow("SELECT skill_id, started_at, ended_at FROM ledger.skill_intervals")
    assert tuple(interval) == ("a", minutes(-600), minutes(8))


async def test_an_earlier_first_list_of_another_replica_makes_tenants_ours(ledger, sql) -> None:
    await ledger.deliver([Began(cluster_uid=CLUSTER, at=minutes(5)), tenant(1, 1, "a", created_at=minutes(3))])
    assert await events(sql) == []
    await ledger.deliver([Began(cluster_uid=CLUSTER, at=minutes(2))])
    assert await events(sql) == [(1, "a", "enabled")]


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        (-100, (minutes(-100), "suspended_at")),
        (-700, (minutes(-600), "assumed")),  # before the creation: stale
        (700, (minutes(-600), "assumed")),  # after we saw it suspended: cannot be
        (None, (minutes(-600), "assumed")),
    ],
)
async def test_a_suspended_baseline_takes_status_suspended_at_if_it_can_be_true(ledger, sql, claimed, expected) -> None:
    at = None if claimed is None else minutes(claimed)
    seen = tenant(1, 4, suspended=True, suspended_at=at, created_at=minutes(-600), at=minutes(2), time_source="late")
    await ledger.deliver([BEGAN, seen, Adopted(at=minutes(9), by="test")])
    row = await sql.fetchrow("SELECT occurred_at, time_source FROM ledger.suspension_events")
    assert tuple(row) == expected
    public = await sql.fetchrow("SELECT occurred_at, time_source FROM public.tenant_suspension_events")
    assert tuple(public) == expected


async def test_a_better_time_that_arrives_later_wins(ledger, sql) -> None:
    await ledger.deliver(
        [BEGAN, tenant(1, 1, "a"), tenant(1, 2, at=minutes(9), time_source="late", not_before=minutes(1.5))]
    )
    await ledger.deliver([tenant(1, 2, at=minutes(2), time_source="audit", source="audit")])
    row = await sql.fetchrow(
        "SELECT occurred_at, not_before, time_source FROM ledger.skill_events WHERE generation = 2"
    )
    assert tuple(row) == (minutes(2), minutes(1.5), "audit")
    as_written = await sql.fetchrow(
        "SELECT occurred_at, time_source FROM public.tenant_skill_events WHERE generation = 2"
    )
    assert tuple(as_written) == (minutes(9), "late")


async def test_the_next_tenant_of_a_name_ends_the_one_before_whichever_came_first(ledger, sql) -> None:
    newer = tenant(2, 1, "b", tenant_name="acme", created_at=minutes(30), version=90)
    older = tenant(1, 1, "a", tenant_name="acme", created_at=minutes(1), version=10)
    await ledger.deliver([BEGAN, newer])
    await ledger.deliver([older])
    rows = await sql.fetch(
        "SELECT tenant_uid::text, deleted_at, deleted_source FROM public.tenant_billing_lifecycle ORDER BY 1"
    )
    assert [tuple(r) for r in rows] == [(uid(1), minutes(30), "inferred"), (uid(2), None, None)]


END_BY_HAND = """
    UPDATE public.tenant_billing_lifecycle SET deleted_at = $1, deleted_source = 'inferred' WHERE deleted_at IS NULL
"""


async def test_an_end_set_by_hand_stops_no_later_fact_and_verify_names_it(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a", tenant_name="acme")])
    await sql.execute(END_BY_HAND, minutes(30))
    await ledger.deliver([tenant(1, 2, "a", "b", tenant_name="acme", zitadel_org_id="org-2")])
    await ledger.deliver([tenant(2, 1, "c", tenant_name="acme", created_at=minutes(60), at=minutes(60), version=90)])
    assert await events(sql) == [(1, "a", "enabled"), (1, "c", "enabled"), (2, "b", "enabled")]
    rows = await sql.fetch(
        "SELECT tenant_uid::text, zitadel_org_id, deleted_at FROM public.tenant_billing_lifecycle ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [(uid(1), "org-2", minutes(30)), (uid(2), "org", None)]
    (difference,) = (await verify(sql)).differences
    assert difference == f"acme ({uid(1)}): deleted_at is {minutes(30)}, the facts say {minutes(60)}"


async def test_facts_move_an_end_set_by_hand_earlier_and_then_there_is_no_difference(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a")])
    await sql.execute(END_BY_HAND, minutes(30))
    gone = Removal(tenant_uid=uid(1), time_source="watch", at=minutes(20), not_before=minutes(19), last_generation=1)
    await ledger.deliver([gone])
    row = await sql.fetchrow("SELECT deleted_at, deleted_not_before, deleted_source FROM tenant_billing_lifecycle")
    assert tuple(row) == (minutes(20), minutes(19), "watch")
    assert (await verify(sql)).differences == []


async def test_two_that_say_the_same_of_their_beginning_are_told_apart_by_their_uids(ledger, sql) -> None:
    """No cluster gives one version to two objects; a forged audit event may say so, and must break nothing."""
    await ledger.deliver([BEGAN, tenant(2, tenant_name="tenant-1"), tenant(1)])
    rows = await sql.fetch("SELECT tenant_uid::text, deleted_at FROM public.tenant_billing_lifecycle ORDER BY 1")
    assert [(row["tenant_uid"], row["deleted_at"]) for row in rows] == [(uid(1), minutes(1)), (uid(2), None)]
    assert (await verify(sql)).differences == []


async def test_the_last_generation_that_there_can_be_breaks_no_view(ledger, sql) -> None:
    last = msgspec.structs.replace(tenant(1, 2), generation=2**63 - 2)
    await ledger.deliver([BEGAN, tenant(1, 1), last])
    (missing,) = await sql.fetch("SELECT generation_from, generation_to FROM ledger.missing_generations")
    assert tuple(missing) == (2, 2**63 - 3)


def census(
    at: float, version: int, *present: int, gone: tuple[int, ...] = (), not_before: datetime | None = None
) -> Census:
    return Census(
        version=str(version),
        sent_at=minutes(at),
        answered_at=minutes(at + 0.01),
        uids=tuple(uid(n) for n in present),
        gone=tuple(uid(n) for n in gone),
        not_before=not_before,
    )


@pytest.mark.parametrize("list_first", [True, False])
async def test_the_time_line_shows_the_same_end_whether_the_list_or_the_next_of_the_name_came_first(
    ledger, sql, list_first
) -> None:
    lacking = census(10, 900, 2, *range(10, 20))
    successor = tenant(2, 1, "b", version=50, tenant_name="tenant-1", created_at=minutes(5), at=minutes(5))
    await ledger.deliver([BEGAN, tenant(1, 1, "a"), *(tenant(n, 1, "a") for n in range(10, 20))])
    for fact in [lacking, successor] if list_first else [successor, lacking]:
        await ledger.deliver([fact])
    kept = await sql.fetchval("SELECT count(*) FROM ledger.removals WHERE tenant_uid = $1", uid(1))
    assert kept == list_first  # what the time line must not tell
    ends = "SELECT occurred_at, time_source FROM ledger.timeline WHERE tenant_uid = $1 AND change = 'removed'"
    assert [tuple(row) for row in await sql.fetch(ends, uid(1))] == [(minutes(5), "inferred")]


async def test_a_census_ends_whom_it_lacks_and_says_since_when_it_may_be(ledger, sql) -> None:
    await ledger.deliver([BEGAN, *(tenant(n, 1, "a") for n in (1, 2, 3))])
    await ledger.deliver([census(20, 500, 1, 2, gone=(3,), not_before=minutes(15))])
    assert (await ended(sql))["tenant-3"] == (minutes(20.01), "census")
    assert (await ended(sql))["tenant-1"] == (None, None)
    assert await sql.fetchval(
        "SELECT deleted_not_before FROM tenant_billing_lifecycle WHERE tenant_name = 'tenant-3'"
    ) == minutes(15)
    assert await sql.fetchval("SELECT count(*) FROM ledger.open_ends") == 1


async def test_a_census_ends_nobody_who_is_newer_than_it(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a"), tenant(2, 1, version=900), tenant(3, 1, created_at=minutes(25))])
    await ledger.deliver([census(20, 500, 1)])
    assert {name: at for name, (at, _) in (await ended(sql)).items()} == {
        "tenant-1": None,
        "tenant-2": None,
        "tenant-3": None,
    }


async def test_a_census_is_applied_again_to_tenants_first_known_later(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a"), census(20, 500, 1), census(30, 700, 1)])
    await ledger.deliver([tenant(2, 1, "b", version=40, source="audit", time_source="audit")])
    assert (await ended(sql))["tenant-2"] == (minutes(20.01), "census")


async def test_more_gone_at_once_than_the_guard_allows_waits_for_a_person(ledger, sql) -> None:
    await ledger.deliver([BEGAN, *(tenant(n, 1, "a") for n in range(1, 21))])
    filed = await ledger.deliver([census(20, 500, *range(12, 21))])
    assert filed.held_censuses == 1
    assert all(end == (None, None) for end in (await ended(sql)).values())
    assert await anomalies(sql) == ["mass_removal"]
    report = await verify(sql)
    assert not report.complete
    assert report.differences == []
    assert await ledger.accept_removals("a person") == 11
    assert sum(at is not None for at, _ in (await ended(sql)).values()) == 11
    assert await sql.fetchval("SELECT accepted_by FROM ledger.censuses") == "a person"
    assert await ledger.accept_removals("a person") == 0


@pytest.mark.parametrize(
    ("vanished", "live", "held"),
    [
        (0, 0, False),
        (1, 1, False),
        (2, 2, False),
        (3, 3, True),
        (3, 4, False),
        (10, 11, False),
        (11, 12, True),
        (11, 60, False),
        (20, 100, False),
        (21, 100, True),
    ],
)
def test_the_guard_allows_ten_or_a_fifth_but_never_all_of_three_or_more(vanished, live, held) -> None:
    assert too_many_vanished(vanished, live) is held


async def test_one_new_tenant_does_not_hide_that_all_others_are_gone(ledger, sql) -> None:
    await ledger.deliver([BEGAN, *(tenant(n, 1, "a") for n in range(1, 9))])
    stranger = tenant(99, 1, "z", at=minutes(20.01), source="list", time_source="late", created_at=minutes(-900))
    assert (await ledger.deliver([stranger, census(20, 500, 99)])).held_censuses == 1
    assert all(end == (None, None) for name, end in (await ended(sql)).items() if name != "tenant-99")


async def test_accepting_ends_nobody_whom_a_later_list_has(ledger, sql) -> None:
    everybody = range(1, 21)
    await ledger.deliver([BEGAN, *(tenant(n, 1, "a") for n in everybody)])
    await ledger.deliver([census(20, 500)])
    await ledger.deliver([census(30, 600, *everybody)])
    await ledger.deliver([census(40, 700, *range(1, 6))])
    assert await ledger.accept_removals("a person") == 15
    gone = {name: at for name, (at, _) in (await ended(sql)).items() if at is not None}
    assert gone == {f"tenant-{n}": minutes(40.01) for n in range(6, 21)}


async def test_a_deletion_requested_in_a_known_generation_is_loud(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 5, "a")])
    await ledger.deliver([tenant(1, 5, "a", deletion_requested_at=minutes(9))])
    assert await anomalies(sql) == ["diverged"]


async def test_a_ledger_of_another_cluster_is_refused_also_if_it_was_asked_before(ledger, ledger_database) -> None:
    await ledger.deliver([BEGAN])
    asked = Ledger(ledger_database)
    await asked.adopted()
    asked.of_cluster("cluster-b")
    with pytest.raises(Misconfigured, match="one ledger records one cluster"):
        await asked.deliver([])
    await asked.close()


async def test_a_default_isolation_of_the_database_changes_nothing(ledger_database, sql) -> None:
    name = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
    one, two = Ledger(ledger_database), Ledger(ledger_database)
    await one.deliver([BEGAN])
    for number in range(1, 6):
        odd = [tenant(number, generation, "a") for generation in (1, 3, 5)]
        await asyncio.gather(one.deliver(odd), two.deliver([tenant(number, generation) for generation in (2, 4)]))
    await one.close()
    await two.close()
    assert (await verify(sql)).differences == []


async def test_a_lost_prepared_statement_means_a_new_connection(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a")])
    await ledger._connection.execute("DEALLOCATE ALL")  # what a pooler's other server connection is like
    with pytest.raises(Unavailable):
        await ledger.deliver([tenant(1, 2)])
    await ledger.deliver([tenant(1, 2)])
    assert await events(sql) == [(1, "a", "enabled"), (2, "a", "disabled")]


async def test_a_removal_of_a_tenant_nobody_told_us_of_is_an_open_end(ledger, sql) -> None:
    await ledger.deliver([BEGAN, Removal(tenant_uid=uid(7), time_source="audit", at=minutes(5))])
    assert not (await verify(sql)).complete


async def test_other_content_under_a_known_generation_is_loud_and_the_first_stays(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a")])
    await ledger.deliver([tenant(1, 1, "a", "default")])
    await ledger.deliver([tenant(1, 1, "a", "default")])
    assert await anomalies(sql) == ["diverged"]
    await ledger.deliver([tenant(1, 2, "a", "default")])
    assert await events(sql) == [(1, "a", "enabled"), (2, "default", "enabled")]
    assert not (await verify(sql)).complete


async def test_generations_and_versions_in_opposite_order_are_loud(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 5, "a", version=500), tenant(1, 6, "b", version=400)])
    assert set(await anomalies(sql)) == {"diverged"}


async def test_a_gap_begins_where_the_segment_that_reached_furthest_ended(ledger, sql) -> None:
    await ledger.deliver([segment(100, 200, 0, 10), segment(100, 150, 1, 40), segment(300, 400, 50, 60)])
    assert tuple(await sql.fetchrow("SELECT from_version, from_at FROM ledger.gaps")) == (200, minutes(10))


async def test_a_removed_uid_in_a_later_list_is_loud(ledger, sql) -> None:
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 1),
            Removal(tenant_uid=uid(1), time_source="watch", at=minutes(5), last_generation=1),
        ]
    )
    await ledger.deliver([census(20, 500, 1)])
    assert await anomalies(sql) == ["diverged"]
    assert (await ended(sql))["tenant-1"] == (minutes(5), "watch")


async def test_an_org_change_is_an_anomaly_and_events_keep_the_org_of_their_time(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a", version=10, zitadel_org_id="one")])
    await ledger.deliver([tenant(1, 1, "a", version=11, zitadel_org_id="two")])
    await ledger.deliver([tenant(1, 2, "a", "b", version=12, zitadel_org_id="two")])
    await ledger.deliver([tenant(1, 2, "a", "b", version=13, zitadel_org_id=None)])
    assert await anomalies(sql) == ["org_changed", "org_changed"]
    rows = await sql.fetch("SELECT skill_id, zitadel_org_id FROM ledger.skill_events ORDER BY generation")
    assert [tuple(r) for r in rows] == [("a", "one"), ("b", "two")]
    assert await sql.fetchval("SELECT zitadel_org_id FROM tenant_billing_lifecycle") is None


async def test_an_unreadable_generation_is_not_missing_and_its_life_and_end_count(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, packages=None, unreadable="packages is a string")])
    await ledger.deliver(
        [tenant(1, 2, "a"), Removal(tenant_uid=uid(1), time_source="watch", at=minutes(9), last_generation=2)]
    )
    assert await sql.fetchval("SELECT count(*) FROM ledger.missing_generations") == 0
    assert await events(sql) == [(2, "a", "enabled")]
    assert (await ended(sql))["tenant-1"] == (minutes(9), "watch")
    assert (await verify(sql)).differences == []


async def test_missing_generations_are_listed_between_when_and_when_and_leave_once_supplied(ledger, sql) -> None:
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 2, "a"),
            tenant(1, 5, "b", at=minutes(9), time_source="late", not_before=minutes(3)),
            Removal(tenant_uid=uid(1), time_source="late", at=minutes(20), last_generation=7),
        ]
    )
    missing = "SELECT generation_from, generation_to, not_before, at FROM ledger.missing_generations ORDER BY 1"
    assert [tuple(r) for r in await sql.fetch(missing)] == [
        (1, 1, None, minutes(2)),
        (3, 4, None, minutes(9)),
        (6, 7, minutes(3), minutes(20)),
    ]
    await ledger.deliver([tenant(1, n, source="audit", time_source="audit") for n in (1, 3, 4, 6, 7)])
    assert await sql.fetch(missing) == []


def segment(start: int, end: int, at: float, to: float) -> Segment:
    return Segment(from_version=str(start), from_at=minutes(at), to_version=str(end), to_at=minutes(to))


async def test_gaps_are_what_no_segment_of_any_replica_covers(ledger, sql) -> None:
    await ledger.deliver([segment(100, 200, 0, 10), segment(300, 400, 20, 30), segment(350, 360, 21, 22)])
    gaps = "SELECT from_version, to_version, from_at, to_at FROM ledger.gaps"
    assert [tuple(r) for r in await sql.fetch(gaps)] == [(200, 300, minutes(10), minutes(20))]
    await ledger.deliver([segment(150, 310, 5, 21)])
    assert await sql.fetch(gaps) == []


async def test_the_delivered_position_is_the_newest_end_and_never_moves_back(ledger) -> None:
    assert await ledger.delivered() is None
    await ledger.deliver([segment(100, 200, 0, 10)])
    await ledger.deliver([segment(100, 150, 0, 5), segment(9, 90, 1, 2)])
    delivered = await ledger.delivered()
    assert delivered is not None
    assert (delivered.version, delivered.at) == ("200", minutes(10))


async def test_another_cluster_is_refused_with_a_sentence(ledger, sql) -> None:
    await ledger.deliver([BEGAN])
    with pytest.raises(Misconfigured, match="belongs to the cluster"):
        await ledger.deliver([Began(cluster_uid="cluster-b", at=NOON), tenant(1, 1, "a")])
    assert await sql.fetchval("SELECT count(*) FROM ledger.observations") == 0


async def test_two_clocks_more_than_a_second_apart_are_an_anomaly(ledger, sql) -> None:
    skewed = tenant(1, 2, "a", at=minutes(2), not_before=minutes(2) + timedelta(seconds=2))
    await ledger.deliver([BEGAN, tenant(1, 1), skewed])
    assert await anomalies(sql) == ["clock_skew"]
    row = await sql.fetchrow("SELECT occurred_at, not_before FROM ledger.skill_events")
    assert tuple(row) == (minutes(2), minutes(2))


@pytest.mark.parametrize("audit_first", [True, False])
@pytest.mark.parametrize("deliveries", [1, 2])
async def test_clocks_that_disagree_about_one_generation_are_one_anomaly_however_they_are_told(
    ledger, sql, audit_first, deliveries
) -> None:
    watched = tenant(1, 2, "b", at=minutes(10), not_before=minutes(9))
    audited = tenant(1, 2, "b", at=minutes(5), source="audit", time_source="audit")
    facts = [audited, watched] if audit_first else [watched, audited]
    await ledger.deliver([BEGAN, tenant(1, 1, "a")])
    for batch in [facts] if deliveries == 1 else [[fact] for fact in facts]:
        await ledger.deliver(batch)
    await ledger.deliver(facts)
    rows = await sql.fetch("SELECT kind, detail, from_at, to_at FROM ledger.anomalies")
    assert [tuple(row) for row in rows] == [("clock_skew", '{"generation": 2}', minutes(5), minutes(9))]


async def test_a_creation_before_the_list_that_lacked_it_is_a_disagreement_of_clocks(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a", at=minutes(3), not_before=minutes(2)), tenant(2, 1, "a")])
    assert await sql.fetchval("SELECT array_agg(tenant_uid::text) FROM ledger.anomalies") == [uid(1)]


async def test_times_as_written_are_those_of_the_view_while_nothing_newer_is_known(ledger, sql) -> None:
    """The writer finds times by index, the view by window: two ways of saying one rule."""
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 1, "a"),
            tenant(1, 2, "b", not_before=minutes(1.2)),
            tenant(1, 4, "a", "c", suspended=True, not_before=minutes(3)),
            tenant(1, 5, at=minutes(4.5), not_before=minutes(3.5)),
            tenant(2, 9, "z", created_at=minutes(-5)),
            tenant(3, 2, "q", at=minutes(50)),
            Removal(tenant_uid=uid(3), time_source="audit", at=minutes(40)),
            Adopted(at=minutes(60), by="test"),
        ]
    )
    columns = "tenant_uid, skill_id, generation, occurred_at, not_before, time_source"
    written = await sql.fetch(f"SELECT {columns} FROM public.tenant_skill_events ORDER BY 1, 3, 2")
    viewed = await sql.fetch(f"SELECT {columns} FROM ledger.skill_events ORDER BY 1, 3, 2")
    assert written == viewed
    assert len(written) > 6


async def test_intervals_take_suspension_out_and_end_with_the_tenant(ledger, sql) -> None:
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 1, "a", at=minutes(1)),
            tenant(1, 2, "a", suspended=True),
            tenant(1, 3, "a", "b"),
            tenant(1, 4, "b"),
            Removal(tenant_uid=uid(1), time_source="watch", at=minutes(9), last_generation=4),
        ]
    )
    rows = await sql.fetch("SELECT skill_id, started_at, ended_at FROM ledger.skill_intervals ORDER BY 1, 2")
    assert [tuple(r) for r in rows] == [
        ("a", minutes(1), minutes(2)),
        ("a", minutes(3), minutes(4)),
        ("b", minutes(3), minutes(9)),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        tenant(1, 1, "nul\0"),
        tenant(1, 1, "a", tenant_name="x\0"),
        tenant(1, 1, tenant_uid="not-a-uuid"),
        tenant(1, 1, source="gossip"),
        tenant(1, 1, resource_version="9" * 40),
        Anomaly(kind="x", detail={"text": "\0"}),
    ],
    ids=["package", "name", "uid", "source", "version", "anomaly"],
)
async def test_what_postgres_will_never_take_is_refused_whole_and_the_next_batch_goes_on(ledger, sql, bad) -> None:
    with pytest.raises(Refused):
        await ledger.deliver([BEGAN, tenant(2, 1, "a"), bad])
    assert await sql.fetchval("SELECT count(*) FROM ledger.observations") == 0
    await ledger.deliver([BEGAN, tenant(2, 1, "a")])
    assert await events(sql) == [(1, "a", "enabled")]


async def test_a_lost_connection_means_wait_and_the_next_delivery_connects_again(ledger, sql) -> None:
    await ledger.deliver([BEGAN])
    await sql.execute(
        "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; "
        "CREATE TRIGGER cut AFTER INSERT ON ledger.observations EXECUTE FUNCTION public.cut()"
    )
    with pytest.raises(Unavailable):
        await ledger.deliver([tenant(1, 1, "a")])
    await sql.execute("DROP FUNCTION public.cut() CASCADE")
    await ledger.deliver([tenant(1, 1, "a")])
    assert await events(sql) == [(1, "a", "enabled")]


async def test_a_read_only_server_means_wait(ledger, sql) -> None:
    await ledger.deliver([BEGAN])
    name = await sql.fetchval("SELECT current_database()")
    await sql.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await ledger.close()
    with pytest.raises(Unavailable, match="read-only"):
        await ledger.deliver([tenant(1, 1, "a")])


async def test_no_server_means_wait() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Ledger("postgresql://nobody@127.0.0.1:9/nothing").deliver([])


async def test_an_attribution_is_one_row_however_often_it_comes(ledger, sql) -> None:
    asked = Attribution(
        tenant_uid=uid(1),
        generation=1,
        resource_version="10",
        source="audit",
        request_key="r",
        actor="alice",
        operation="create",
        how="proven",
    )
    gone = Attribution(
        tenant_uid=uid(1), source="audit", request_key="r2", actor="bob", operation="delete", how="proven"
    )
    for _ in range(3):
        await ledger.deliver([BEGAN, tenant(1, 1, "a"), asked, gone])
    assert await sql.fetchval("SELECT count(*) FROM ledger.attributions") == 2
    row = await sql.fetchrow("SELECT actor, how FROM ledger.timeline WHERE change = 'enabled'")
    assert tuple(row) == ("alice", "proven")


async def test_nobody_is_named_for_what_happened_before_a_generation_that_we_know(ledger, sql) -> None:
    """Bob added b to what others had put there long before; who took a away in 6, 7 or 8 is not known."""
    old = {"created_at": minutes(-600)}
    await ledger.deliver(
        [
            BEGAN,
            tenant(1, 5, "a", "b", **old),
            answered("bob", 1, 2, generation=5, resource_version="50", base_version="40"),
            tenant(1, 8, "b", "c", **old),
            answered("carol", 3, 4, generation=8, resource_version="80", base_version="70"),
            tenant(1, 9, "b", "c", "d", **old),
            answered("dora", 5, 6, generation=9, resource_version="90", base_version="80"),
            tenant(1, 11, "b", "c", "d", deletion_requested_at=minutes(12), **old),
            answered("erna", 7, 8, generation=11, resource_version="110", operation="delete"),
            Adopted(at=minutes(20), by="test"),
        ]
    )
    named = "SELECT generation, coalesce(skill_id, change), actor FROM ledger.timeline WHERE generation > 0"
    assert [tuple(row) for row in await sql.fetch(named)] == [
        (5, "a", None),
        (5, "b", None),
        (8, "a", None),
        (8, "c", None),
        (9, "d", "dora"),
        (11, "deletion requested", "erna"),
    ]
    await ledger.deliver([tenant(1, 4, "a", **old), tenant(1, 7, "a", "b", **old)])
    later = [tuple(row) for row in await sql.fetch(named)]
    assert later[:5] == [
        (4, "a", None),
        (5, "b", "bob"),
        (8, "a", "carol"),
        (8, "c", "carol"),
        (9, "d", "dora"),
    ]


@pytest.mark.parametrize(
    "table", ["tenants", "observations", "sightings", "removals", "orgs", "attributions", "anomalies"]
)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.{} SET recorded_at = now() WHERE false",
        "DELETE FROM ledger.{} WHERE false",
        "TRUNCATE ledger.{}",
    ],
)
async def test_facts_are_append_only_even_for_zero_rows(sql, table, statement) -> None:
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await sql.execute(statement.format(table))


async def test_verify_names_each_kind_of_difference(ledger, sql) -> None:
    await ledger.deliver([BEGAN, tenant(1, 1, "a"), tenant(1, 2, "b"), tenant(2, 1, "a")])
    assert (await verify(sql)).differences == []
    for name in ("tenant_skill_events", "tenant_billing_lifecycle"):
        await sql.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    await sql.execute("DELETE FROM tenant_skill_events WHERE generation = 2 AND skill_id = 'b'")
    await sql.execute("UPDATE tenant_skill_events SET event_kind = 'disabled' WHERE tenant_name = 'tenant-2'")
    await sql.execute(
        "INSERT INTO tenant_skill_events (tenant_uid, tenant_name, skill_id, event_kind, generation, "
        "occurred_at, time_source, source) "
        "VALUES ($1, 'tenant-1', 'a', 'enabled', 9, now(), 'watch', 'watch')",
        uid(1),
    )
    await sql.execute(
        "UPDATE tenant_billing_lifecycle SET deleted_at = created_at, deleted_source = 'deletion' "
        "WHERE tenant_name = 'tenant-2'"
    )
    await sql.execute("UPDATE tenant_billing_lifecycle SET zitadel_org_id = 'other' WHERE tenant_name = 'tenant-2'")
    await sql.execute("DELETE FROM tenant_billing_lifecycle WHERE tenant_name = 'tenant-1'")
    text = "\n".join((await verify(sql)).lines())
    assert "generation 2 enabled b has no row" in text
    assert "generation 1 disabled a, but that generation says enabled" in text
    assert "generation 9 enabled a without an observation" in text
    assert "deleted_at is" in text
    assert "the org is other, the facts say org" in text
    assert "has no lifecycle row" in text


def answered(actor: str, asked: float, done: float, **more) -> Attribution:
    """An audit event's answer that has the second generation of the first tenant; times in seconds after NOON."""
    given = {
        "tenant_uid": uid(1),
        "resource_version": "20",
        "generation": 2,
        "source": "audit",
        "request_key": f"{actor} {asked}",
        "actor": actor,
        "operation": "patch",
        "how": "likely",
        "asked_at": NOON + timedelta(seconds=asked),
        "answered_at": NOON + timedelta(seconds=done),
    }
    return Attribution(**(given | more))


async def authors(sql: asyncpg.Connection) -> list[tuple]:
    rows = await sql.fetch("SELECT generation, actor, how FROM ledger.authors ORDER BY generation")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("alice_first", [True, False])
async def test_who_our_webhook_saw_has_not_proven_to_be_the_author_beside_one_whom_it_did_not(
    ledger, sql, alice_first
) -> None:
    """Both wanted the same at once. Of bob the API server could not ask us; alice's retry changed nothing any more."""
    alice = answered("alice", 1, 2.1, base_version="10", reviews=("r-alice",))
    bob = answered("bob", 1.1, 2)
    both = [alice, bob] if alice_first else [bob, alice]
    await ledger.deliver([BEGAN, tenant(1, 1), tenant(1, 2, "jitsi"), *both])
    assert await authors(sql) == [(2, "bob", "likely")]


async def test_who_asks_for_the_same_after_the_answer_takes_nobody_their_proof(ledger, sql) -> None:
    alice = answered("alice", 1, 2, base_version="10", reviews=("r-alice",))
    await ledger.deliver([BEGAN, tenant(1, 1), tenant(1, 2, "jitsi"), answered("bob", 2.1, 2.2), alice])
    assert await authors(sql) == [(2, "alice", "proven")]


async def test_a_deletecollection_has_not_proven_to_remove_what_another_deleted_at_the_same_time(ledger, sql) -> None:
    gone = {"resource_version": "0", "generation": None}
    collection = answered("alice", 1, 3, operation="deletecollection", base_version="10", reviews=("r",), **gone)
    delete = answered("bob", 2, 4, operation="delete", how="proven", **gone)
    await ledger.deliver([BEGAN, tenant(1, 1), collection, delete])
    assert await authors(sql) == [(None, "bob", "proven")]


async def test_of_two_who_took_the_last_finalizer_at_once_neither_has_proven_to(ledger, sql) -> None:
    """The API server answers both as if they were the one, from whatever version they began."""
    gone = {"resource_version": "0", "generation": None, "how": "proven"}
    alice = answered("alice", 1, 3, base_version="20", **gone)
    bob = answered("bob", 1.5, 2.5, base_version="10", **gone)
    await ledger.deliver([BEGAN, tenant(1, 1), alice, bob])
    assert await authors(sql) == [(None, "bob", "likely")]
    await ledger.deliver([tenant(2, 1), *(answered("alice", at, 3, **gone, tenant_uid=uid(2)) for at in (1, 2))])
    assert ("alice", "proven") in [row[1:] for row in await authors(sql)]
