"""What a batch reads of a large ledger: its own rows and their neighbours, whatever Postgres knows of the tables."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from sidecar.billing.statements import SELECT_TIMELINE
from sidecar.facts import AnyFact, Backfilled, Began, Census, Removal, Seen
from sidecar.ledger.filing import Filing, file

CREATED = datetime(2026, 11, 20, tzinfo=UTC)
TENANTS = 2_000
HISTORY = 2_000

# Tenants 1 to TENANTS with two generations each, and tenant 0 with HISTORY of them. One event each.
FILL = f"""
    CREATE TEMP TABLE made AS
        SELECT ('00000000-0000-4000-8000-' || lpad(tenant::text, 12, '0'))::uuid AS uid, tenant, generation,
               1000 + row_number() OVER (ORDER BY generation, tenant) AS version,
               timestamptz '2026-11-20Z' AS created_at, timestamptz '2026-11-20Z' + generation * interval '1 s' AS at
        FROM (SELECT tenant, generation FROM generate_series(1, {TENANTS}) tenant, generate_series(1, 2) generation
              UNION ALL SELECT 0, generation FROM generate_series(1, {HISTORY}) generation) each;
    INSERT INTO ledger.tenants SELECT DISTINCT uid, 'tenant-' || tenant, created_at FROM made;
    INSERT INTO ledger.observations (tenant_uid, generation, resource_version, tenant_name, packages, suspended,
                                     created_at, source, content_sha256)
        SELECT uid, generation, version, 'tenant-' || tenant, '{{a}}', false, created_at, 'watch', '' FROM made;
    INSERT INTO ledger.sightings SELECT uid, generation, 'watch', at, at - interval '1 s' FROM made;
    INSERT INTO ledger.orgs SELECT uid, version, generation, 'org' FROM made;
    INSERT INTO public.tenant_skill_events (tenant_uid, tenant_name, skill_id, event_kind, generation, occurred_at,
                                            time_source, source)
        SELECT uid, 'tenant-' || tenant, 'a', 'enabled', generation, at, 'watch', 'watch' FROM made;
    INSERT INTO public.tenant_billing_lifecycle (tenant_uid, tenant_name, zitadel_org_id, created_at, source)
        SELECT DISTINCT uid, 'tenant-' || tenant, 'org', created_at, 'watch' FROM made;
"""

# pg_stat_xact_user_tables counts what this transaction has read, heap rows by index and by scan.
READ = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables"

# What does not fit into its row, as long lists do, is kept beside it in pieces of 2 kB: how many of those were read.
READ_PIECES = """
    SELECT coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0)::bigint
    FROM pg_stat_xact_all_tables WHERE schemaname = 'pg_toast'
"""

# Tenants that had one name one after the other, each for half a minute.
CANARIES = f"""
    CREATE TEMP TABLE canaries AS
        SELECT ('00000000-0000-4000-9000-' || lpad(number::text, 12, '0'))::uuid AS uid, number,
               timestamptz '2026-11-21Z' + number * interval '1 minute' AS at
        FROM generate_series(1, {TENANTS}) number;
    INSERT INTO ledger.tenants SELECT uid, 'canary', at FROM canaries;
    INSERT INTO ledger.observations (tenant_uid, generation, resource_version, tenant_name, packages, suspended,
                                     created_at, source, content_sha256)
        SELECT uid, 1, number, 'canary', '{{a}}', false, at, 'watch', '' FROM canaries;
    INSERT INTO ledger.sightings SELECT uid, 1, 'watch', at FROM canaries;
    INSERT INTO ledger.orgs SELECT uid, number, 1, 'org' FROM canaries;
    INSERT INTO ledger.removals (tenant_uid, source, at, last_generation)
        SELECT uid, 'watch', at + interval '30 s', 1 FROM canaries;
    INSERT INTO public.tenant_billing_lifecycle (tenant_uid, tenant_name, zitadel_org_id, created_at, deleted_at,
                                                 deleted_source, source)
        SELECT uid, 'canary', 'org', at, at + interval '30 s', 'watch', 'watch' FROM canaries;
"""

# Lists of strangers, newer than all that is known of any tenant: 8 pieces each, and none of them has one of ours.
LISTS = 100
LISTED = f"""
    INSERT INTO ledger.censuses (version, sent_at, answered_at, uids, gone, held)
        SELECT 1000000 + number, sent, sent,
               (SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 1000)), '{{}}', number = 1
        FROM generate_series(1, {LISTS}) number, LATERAL (SELECT now() + number * interval '1 minute') AS times (sent)
"""


def uid(number: int) -> str:
    return str(uuid.UUID(f"00000000-0000-4000-8000-{number:012d}"))


def seen(number: int, generation: int, version: int, name: str = "", **more) -> Seen:
    at = datetime.now(UTC)
    given = {
        "tenant_uid": uid(number),
        "generation": generation,
        "resource_version": str(version),
        "tenant_name": name or f"tenant-{number}",
        "zitadel_org_id": "org",
        "packages": ("a", "b"),
        "created_at": CREATED,
        "source": "watch",
        "at": at,
        "not_before": at - timedelta(seconds=1),
        "time_source": "watch",
    }
    return Seen(**(given | more))


@pytest.fixture(params=["inherited", "ours"])
async def connection(ledger_database: str, request: pytest.FixtureRequest) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose plans were made while the ledger was empty; since then it has become large."""
    connection = await asyncpg.connect(ledger_database)
    try:
        began = CREATED + timedelta(days=1 if request.param == "inherited" else -1)
        await read(connection, [Began(cluster_uid="c", at=began)])
        for number in range(6):
            await read(connection, [seen(90_000 + number, 1, 1 + number)])
        await connection.execute(FILL)
        yield connection
    finally:
        await connection.close()


async def read(connection: asyncpg.Connection, facts: list[AnyFact], counted: str = READ) -> int:
    """Files the facts; how many rows were read for that."""
    async with connection.transaction():
        before = await connection.fetchval(counted)  # what earlier transactions have not reported yet counts too
        await file(connection, facts)
        return await connection.fetchval(counted) - before


async def test_a_batch_reads_no_more_than_its_own_rows_and_their_neighbours(connection) -> None:
    facts: list[AnyFact] = [seen(number, 3, 100_000 + number) for number in range(1, 101)]
    assert await read(connection, facts) < 30 * len(facts)


async def test_a_batch_that_is_known_reads_even_less(connection) -> None:
    facts: list[AnyFact] = [seen(number, 3, 100_000 + number) for number in range(1, 101)]
    first = await read(connection, facts)
    assert await read(connection, facts) < first


async def test_a_new_generation_reads_none_of_a_long_history(connection) -> None:
    assert await read(connection, [seen(0, HISTORY + 1, 100_000)]) < 50


async def test_an_end_reads_none_of_a_long_history(connection) -> None:
    gone = Removal(tenant_uid=uid(0), time_source="watch", at=datetime.now(UTC), last_generation=HISTORY)
    assert await read(connection, [gone]) < 50


async def test_the_next_tenant_of_a_name_reads_only_those_of_that_name(connection) -> None:
    assert await read(connection, [seen(80_000, 1, 100_000, name="tenant-7")]) < 100


async def test_a_name_that_was_used_often_costs_no_more_than_another(connection) -> None:
    await connection.execute(CANARIES)
    created = datetime(2027, 1, 1, tzinfo=UTC)
    newest = seen(80_000, 1, 100_000, name="canary", created_at=created)
    assert await read(connection, [newest]) < 50
    assert await read(connection, [seen(80_000, 2, 100_001, name="canary", created_at=created)]) < 50
    middle = Removal(
        tenant_uid="00000000-0000-4000-9000-000000001000", time_source="audit", at=CREATED + timedelta(days=1)
    )
    assert await read(connection, [middle]) < 50


async def test_a_new_tenant_reads_none_of_the_lists_before_it(connection) -> None:
    await connection.execute(LISTED)
    assert await read(connection, [seen(80_000, 1, 2_000_000)]) < 50
    assert await read(connection, [seen(80_001, 1, 2_000_001)], READ_PIECES) == 0


async def test_tenants_older_than_many_lists_read_these_once_for_all_of_them(connection) -> None:
    await connection.execute(LISTED)
    facts: list[AnyFact] = [seen(80_000 + number, 1, 100_000 + number) for number in range(20)]
    assert 8 * LISTS <= await read(connection, facts, READ_PIECES) < 10 * LISTS


async def test_a_list_that_a_person_accepts_reads_those_after_it_once_for_all_tenants(connection) -> None:
    await connection.execute(LISTED)
    async with connection.transaction():
        before = await connection.fetchval(READ_PIECES)
        assert await Filing(connection).accept_removals("test") > TENANTS
        assert await connection.fetchval(READ_PIECES) - before < 10 * LISTS


async def test_a_tenant_with_many_packages_reads_them_a_few_times_and_not_once_for_each(connection) -> None:
    # Of letters that cannot be made shorter: some 40 pieces.
    many = tuple(sorted(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(2_000)))
    await read(connection, [seen(1, 3, 100_000, packages=many)])
    assert await read(connection, [seen(1, 4, 100_001, packages=(*many, "z"))], READ_PIECES) < 40 * 20
    missing = "DELETE FROM public.tenant_skill_events WHERE skill_id = 'z'"
    await connection.execute("ALTER TABLE public.tenant_skill_events DISABLE TRIGGER append_only")
    await connection.execute(missing)
    run = await connection.fetchval("INSERT INTO ledger.backfills (asked_by) VALUES ('test') RETURNING id")
    assert await read(connection, [Backfilled(tenants_examined=1, backfill=run)], READ_PIECES) < 40 * 20
    assert await connection.execute(missing) == "DELETE 1"  # it was brought back


async def test_a_census_reads_each_tenant_a_few_times_and_not_once_for_each_other(connection) -> None:
    sent = datetime.now(UTC)
    uids = tuple(uid(number) for number in range(TENANTS)) + tuple(uid(90_000 + number) for number in range(6))
    census = Census(version="200000", sent_at=sent, answered_at=sent, uids=uids)
    assert await read(connection, [census]) < 10 * TENANTS


async def test_a_time_line_reads_its_tenant_a_few_times_and_not_once_for_each_change(connection) -> None:
    await connection.execute(
        """
        INSERT INTO ledger.attributions (tenant_uid, resource_version, source, request_key, generation, actor,
                                         actor_groups, operation, how, base_version, reviews, source_ips)
        SELECT uid, version, source, generation, generation, 'alice', '{}', 'patch',
               CASE source WHEN 'audit' THEN 'likely' ELSE 'claimed' END, version - 1, ARRAY[generation::text], '{}'
        FROM made, unnest(ARRAY['admission', 'audit']) source;
        INSERT INTO public.tenant_suspension_events (tenant_uid, tenant_name, event_kind, generation, occurred_at,
                                                     time_source, source)
        SELECT uid, 'tenant-0', CASE generation % 2 WHEN 1 THEN 'suspended' ELSE 'resumed' END, generation, at,
               'watch', 'watch'
        FROM made WHERE tenant = 0
        """
    )
    await connection.execute("ANALYZE")  # as autovacuum does sooner or later: the plan must be good then too
    rows = await connection.fetch(SELECT_TIMELINE, [uid(0)], 1_000, 0)
    assert {row["how"] for row in rows if row["generation"]} == {"proven"}
    # Pages, because what an index alone answers counts as no row.
    asked = SELECT_TIMELINE.replace("$1", f"ARRAY['{uid(0)}']").replace("$2", "1000").replace("$3", "0")
    explained = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}")
    plan = json.loads(explained)[0]["Plan"]
    assert (
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 80 * HISTORY
    )  # 56; with a join of all to all some 200
