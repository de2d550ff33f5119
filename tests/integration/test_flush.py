"""Paying what is owed, with a real spool and a real ledger: nothing lost, nothing twice, nothing in the way."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from sidecar.demo.postgres import embedded_postgres
from sidecar.errors import SpoolFull
from sidecar.facts import Anomaly, AnyFact, Began, Census, Seen, Segment, decode, encode
from sidecar.flush import Flush
from sidecar.ledger import Filed, Ledger
from sidecar.spool import Spool
from sidecar.verify import verify
from tests.support.waiting import until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEGAN = Began(cluster_uid="c", at=NOON)

# At COMMIT, before anything is committed: the function runs as a deferred constraint.
AT_COMMIT = """
CREATE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ledger.observations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.at_commit();
"""
NO_MORE = "DROP FUNCTION public.at_commit() CASCADE"


def tenant(number: int, generation: int = 1, *packages: str, **more) -> Seen:
    given = {
        "tenant_uid": f"00000000-0000-4000-8000-{number:012}",
        "generation": generation,
        "resource_version": str(10 * number + max(generation, 0)),
        "tenant_name": f"tenant-{number}",
        "zitadel_org_id": "org",
        "packages": packages or ("jitsi",),
        "created_at": NOON + timedelta(minutes=1),
        "source": "watch",
        "at": NOON + timedelta(minutes=2),
        "time_source": "watch",
    }
    return Seen(**(given | more))


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server's data.

    Not below tmp_path: every pytest that starts closes that tree to other users, and a Postgres that root has
    started runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as folder:
        yield Path(folder)


@pytest.fixture
async def spool(tmp_path):
    async with Spool.open(tmp_path / "spool.db", 2**28) as spool:
        yield spool


@pytest.fixture
async def ledger(ledger_database):
    ledger = Ledger(ledger_database)
    yield ledger
    await ledger.close()


@pytest.fixture
async def sql(ledger_database):
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


@pytest.fixture
def flush(spool, ledger) -> Flush:
    return Flush(spool, ledger)


async def append(spool: Spool, facts: Sequence[AnyFact]) -> None:
    await spool.append([encode(fact) for fact in facts])


async def drain(flush: Flush, spool: Spool) -> None:
    """Until nothing is owed; each turn must succeed."""
    while (await spool.depth()).facts:
        assert await flush.once()


async def _empty(spool: Spool) -> bool:
    return (await spool.depth()).facts == 0


async def _waits(flush: Flush) -> bool:
    return flush.waiting_for_postgres is not None


async def generations(sql: asyncpg.Connection) -> list[tuple[str, int]]:
    rows = await sql.fetch("SELECT tenant_name, generation FROM ledger.observations ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def notes(sql: asyncpg.Connection) -> list[dict[str, str]]:
    rows = await sql.fetch("SELECT detail FROM ledger.anomalies WHERE kind = 'set_aside' ORDER BY id")
    return [json.loads(row["detail"]) for row in rows]


async def test_what_was_delivered_has_left_the_spool(flush, spool, sql) -> None:
    await append(spool, [BEGAN, tenant(1), tenant(1, 2, "wiki")])
    assert await flush.once()
    assert (await spool.depth()).facts == 0
    assert await generations(sql) == [("tenant-1", 1), ("tenant-1", 2)]


async def test_a_batch_is_confirmed_only_after_it_is_committed(flush, spool, sql) -> None:
    await append(spool, [BEGAN, tenant(1)])
    await sql.execute(AT_COMMIT.format(does="PERFORM pg_terminate_backend(pg_backend_pid())"))
    assert not await flush.once()
    assert (await spool.depth()).facts == 2
    assert await generations(sql) == []
    assert flush.waiting_for_postgres is not None
    await sql.execute(NO_MORE)
    assert await flush.once()
    assert (await spool.depth()).facts == 0
    assert await generations(sql) == [("tenant-1", 1)]
    assert flush.waiting_for_postgres is None


async def test_a_refusal_at_the_commit_confirms_nothing_that_is_not_stored(flush, spool, sql) -> None:
    await sql.execute(AT_COMMIT.format(does="IF NEW.tenant_name = 'tenant-2' THEN RAISE 'not this one'; END IF"))
    await append(spool, [BEGAN, tenant(1), tenant(2), tenant(3)])
    await drain(flush, spool)
    assert await generations(sql) == [("tenant-1", 1), ("tenant-3", 1)]
    (note,) = await notes(sql)
    assert "not this one" in note["reason"]
    assert (await spool.depth()).set_aside == 1


async def test_a_crash_between_commit_and_confirm_repeats_the_delivery_and_adds_nothing(tmp_path, ledger, sql) -> None:
    rows = "SELECT (SELECT count(*) FROM public.tenant_skill_events), (SELECT count(*) FROM ledger.observations)"
    async with Spool.open(tmp_path / "crashed.db", 2**28) as spool:
        await append(spool, [BEGAN, *(tenant(1, generation, f"p{generation}") for generation in range(1, 6))])
        await ledger.deliver([decode(body) for _, body in await spool.take(1000)])
    before = await sql.fetchrow(rows)
    async with Spool.open(tmp_path / "crashed.db", 2**28) as spool:
        assert (await spool.depth()).facts == 6
        await drain(Flush(spool, ledger), spool)
    assert await sql.fetchrow(rows) == before
    assert tuple(before) == (9, 5)


async def test_one_bad_fact_is_set_aside_whole_and_the_rest_goes_on(flush, spool, sql) -> None:
    bad = tenant(2, tenant_name="tenant\0two")
    await append(spool, [BEGAN, tenant(1), bad, tenant(3)])
    await drain(flush, spool)
    assert await generations(sql) == [("tenant-1", 1), ("tenant-3", 1)]
    (note,) = await notes(sql)
    assert decode(note["fact"].encode()) == bad
    assert note["reason"].startswith("Postgres refuses the batch: 22")  # of class 22: data exception
    assert (await spool.depth()).set_aside == 1


async def test_several_bad_facts_among_a_thousand_are_found_and_no_good_one_is_lost(flush, spool, sql) -> None:
    bad = {
        17: {"tenant_uid": "no-uid"},
        18: {"generation": 0},
        500: {"resource_version": "x"},
        998: {"source": "watch"},
    }
    bad[998] = {"generation": 2**63}  # refused by the driver already, which cannot write it as a bigint
    facts = [tenant(number, **bad.get(number, {})) for number in range(1, 1000)]
    await append(spool, [BEGAN, *facts])
    await drain(flush, spool)
    assert {name for name, _ in await generations(sql)} == {
        fact.tenant_name for number, fact in enumerate(facts, 1) if number not in bad
    }
    assert sorted(json.loads(note["fact"])["tenant_name"] for note in await notes(sql)) == sorted(
        f"tenant-{number}" for number in bad
    )
    assert (await spool.depth()).set_aside == len(bad)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff not JSON",
        b'{"fact":"from_the_future","at":1}',
        b'{"fact":"began","cluster_uid":7}',
        b'{"fact":"seen","source":"a\\u0000b"}',
        "{'quotes': 'ä'}".encode("latin-1"),
    ],
)
async def test_bytes_that_are_no_fact_are_set_aside_readably_and_the_rest_goes_on(flush, spool, sql, body) -> None:
    await spool.append([encode(BEGAN), body, encode(tenant(1))])
    await drain(flush, spool)
    assert await generations(sql) == [("tenant-1", 1)]
    (note,) = await notes(sql)
    assert note["fact"] == body.decode("utf-8", errors="backslashreplace").replace("\0", "\\x00")
    assert note["reason"].startswith("this version cannot read the fact: ")
    assert (await spool.depth()).set_aside == 1


async def test_what_a_newer_version_added_to_a_fact_is_in_the_note_too(flush, spool, sql) -> None:
    body = encode(tenant(1, 0)).removesuffix(b"}") + b',"tier":"gold"}'
    await spool.append([encode(BEGAN), body])
    await drain(flush, spool)
    assert [note["fact"] for note in await notes(sql)] == [body.decode()]


async def test_what_was_set_aside_is_delivered_after_a_start_once_the_cause_is_mended(tmp_path, ledger, sql) -> None:
    # What a migration of the portal's might do to a table that is its own too.
    await sql.execute("ALTER TABLE public.tenant_skill_events ADD COLUMN price numeric NOT NULL")
    facts = [BEGAN, tenant(1), tenant(1, 2, "jitsi"), tenant(2)]
    async with Spool.open(tmp_path / "kept.db", 2**28) as spool:
        await append(spool, facts)
        await drain(Flush(spool, ledger), spool)
        assert (await spool.depth()).set_aside == 3
    noted = await notes(sql)
    async with Spool.open(tmp_path / "kept.db", 2**28) as spool:
        await drain(Flush(spool, ledger), spool)
        assert (await spool.depth()).set_aside == 3
    assert await notes(sql) == noted  # no further anomaly for what is refused again
    assert [decode(note["fact"].encode()) for note in noted] == facts[1:]
    await sql.execute("ALTER TABLE public.tenant_skill_events DROP COLUMN price")
    async with Spool.open(tmp_path / "kept.db", 2**28) as spool:
        await drain(Flush(spool, ledger), spool)
        assert (await spool.depth()).set_aside == 0
    assert await generations(sql) == [("tenant-1", 1), ("tenant-1", 2), ("tenant-2", 1)]
    assert await sql.fetchval("SELECT count(*) FROM ledger.anomalies WHERE kind = 'set_aside'") == 3
    report = await verify(sql)
    assert (report.complete, report.differences) == (True, [])  # the notes stay, and count no more


async def test_a_note_counts_as_incomplete_unless_its_version_of_the_tenant_is_there(flush, spool, sql) -> None:
    await append(spool, [BEGAN, tenant(1), tenant(2, 0)])
    await spool.append([b'{"fact":"seen","tenant_uid":"------------------------------------","resource_version":"x"}'])
    await drain(flush, spool)
    assert (await verify(sql)).unsettled == {"set_aside": 2}
    await append(spool, [tenant(2, 1, resource_version="20")])  # as version 20 of tenant-2 is, which was refused
    await drain(flush, spool)
    assert (await verify(sql)).unsettled == {"set_aside": 1}


async def test_each_transaction_of_a_long_turn_shows_that_it_goes_on(spool, ledger) -> None:
    began: list[float | None] = []

    class Watched:
        async def deliver(self, facts: Sequence[AnyFact]) -> Filed:
            began.append(flush.busy_since)
            return await ledger.deliver(facts)

    flush = Flush(spool, Watched())
    await append(spool, [BEGAN, tenant(1, 0), tenant(2, 0)])
    assert await flush.once()
    assert len(began) > 3
    assert began == sorted(set(began))
    assert flush.busy_since is None


async def test_a_full_spool_whose_oldest_fact_is_large_and_refused_goes_on(tmp_path, ledger, sql) -> None:
    await sql.execute("ALTER TABLE ledger.censuses ADD CONSTRAINT none CHECK (false)")
    census = Census(version="500", sent_at=NOON, answered_at=NOON, uids=tuple(str(uuid4()) for _ in range(60_000)))
    async with Spool.open(tmp_path / "full.db", 8 * 2**20) as spool:
        await append(spool, [BEGAN, census])
        for a_time in (1_000, 1):
            with suppress(SpoolFull):
                while True:
                    await append(spool, [tenant(1)] * a_time)
        await drain(Flush(spool, ledger), spool)
        assert (await spool.depth()).set_aside == 1
    assert await generations(sql) == [("tenant-1", 1)]


async def test_a_note_that_is_refused_is_not_noted_again(flush, spool, sql) -> None:
    await sql.execute("ALTER TABLE ledger.anomalies ADD CONSTRAINT no_notes CHECK (kind <> 'set_aside')")
    await append(spool, [BEGAN, tenant(1), tenant(2, 0), tenant(3)])
    await drain(flush, spool)
    depth = await spool.depth()
    assert (depth.facts, depth.set_aside) == (0, 1)
    assert await generations(sql) == [("tenant-1", 1), ("tenant-3", 1)]


async def test_a_batch_that_is_too_heavy_is_delivered_in_smaller_ones(flush, spool, sql) -> None:
    # What statement_timeout answers, given at once instead of after 30 s of work.
    await sql.execute("""
        CREATE FUNCTION public.heavy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) > 100 FROM added) THEN
                RAISE 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER heavy AFTER INSERT ON ledger.observations REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION public.heavy();
    """)
    await append(spool, [BEGAN, *(tenant(number) for number in range(1, 1000))])
    turns = []
    while (await spool.depth()).facts:
        turns.append(await flush.once())
    assert turns[:4] == [False] * 4  # 1,000, 500, 250, 125; then 62 pass
    assert len(await generations(sql)) == 999
    assert (await spool.depth()).set_aside == 0


async def test_facts_wait_for_a_postgres_that_is_away_and_all_arrive(postgres_folder, spool) -> None:
    with embedded_postgres(postgres_folder) as address:
        ledger = Ledger(address)
        flush = Flush(spool, ledger)
        await append(spool, [BEGAN, tenant(1)])
        assert await flush.once()
    running = asyncio.create_task(flush.run())
    await append(spool, [tenant(number) for number in range(2, 300)])
    await until(lambda: _waits(flush), "it never waited for Postgres")
    await append(spool, [Segment(from_version="1", from_at=NOON, to_version="5000", to_at=NOON)])
    assert (await spool.depth()).facts == 299
    with embedded_postgres(postgres_folder):
        await until(lambda: _empty(spool), "the spool was never empty")
        sql = await asyncpg.connect(address)
        assert len(await generations(sql)) == 299
        assert await sql.fetchval("SELECT to_version FROM ledger.segments") == 5000
        await sql.close()
        running.cancel()
        await asyncio.wait({running})
        await ledger.close()


async def test_a_delivery_that_is_cancelled_can_be_made_again_at_once(flush, spool, ledger_database, sql) -> None:
    await append(spool, [BEGAN, tenant(1)])
    async with sql.transaction():
        await sql.execute("SELECT pg_advisory_xact_lock(7021963405412)")  # the writer's lock, held by another
        turn = asyncio.create_task(flush.once())
        other = await asyncpg.connect(ledger_database)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        await until(lambda: other.fetchval(waits), "it never waited for the lock")
        await other.close()
        turn.cancel()
        await asyncio.wait({turn})
    assert await flush.once()
    assert await generations(sql) == [("tenant-1", 1)]


async def test_an_anomaly_is_delivered_once_however_often_it_is_told(flush, spool, sql) -> None:
    same = Anomaly(kind="watch_gap", detail={"reason": "expired"})
    await append(spool, [BEGAN, same, same])
    await drain(flush, spool)
    await append(spool, [same])
    await drain(flush, spool)
    assert await sql.fetchval("SELECT count(*) FROM ledger.anomalies") == 1
