"""What the ledger lacks, counted: the same as its views list, whatever the history; and the runbook's SQL works."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sidecar import stocktaking
from sidecar.billing import Database
from sidecar.billing.shortfall import shortfall
from sidecar.facts import Anomaly, AnyFact, Began, Census, Removal, Seen, Segment
from sidecar.ledger import Ledger
from sidecar.stocktaking import Stocktaking
from tests.support.measured import NOWHERE

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def uid(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def seen(number: int, generation: int, created_at: datetime = NOON) -> Seen:
    return Seen(
        tenant_uid=uid(number),
        generation=generation,
        resource_version=str(1000 * generation + number),
        tenant_name=f"tenant-{number}",
        packages=("jitsi",),
        created_at=created_at,
        source="watch",
        at=NOON + timedelta(minutes=generation),
        time_source="watch",
    )


def removal(number: int, last: int | None) -> Removal:
    return Removal(tenant_uid=uid(number), time_source="watch", at=NOON + timedelta(hours=1), last_generation=last)


async def deliver(address: str, *facts: AnyFact) -> None:
    ledger = Ledger(address)
    try:
        await ledger.deliver([Began(cluster_uid="c", at=NOON - timedelta(hours=1)), *facts])
    finally:
        await ledger.close()


async def test_all_that_is_missing_is_counted(ledger_database: str) -> None:
    await deliver(
        ledger_database,
        *(seen(1, generation) for generation in (1, 2, 5, 9)),  # 3, 4 and 6, 7, 8
        seen(2, 3),  # 1 and 2: it was created while we watched
        seen(3, 7, NOON - timedelta(days=1)),  # its earlier ones are before our history
        *(seen(4, generation) for generation in (1, 2)),
        removal(4, 4),  # 3 and 4
        seen(5, 1),
        removal(5, None),  # an open end
        Segment(from_version="1", from_at=NOON, to_version="5", to_at=NOON),
        Segment(from_version="8", from_at=NOON, to_version="9", to_at=NOON),
        Census(version="99000", sent_at=NOON + timedelta(hours=2), answered_at=NOON + timedelta(hours=2), uids=()),
        Anomaly(kind="unreadable", detail={"why": "a"}),
        Anomaly(kind="unreadable", detail={"why": "b"}),
    )
    async with Database.opened(ledger_database) as database:
        found = await shortfall(database)
    lacking = found.lacking
    assert (lacking.missing_generations, lacking.open_ends, lacking.gaps, lacking.held_censuses) == (9, 1, 1, 1)
    assert found.anomalies["unreadable"] == 2
    assert found.anomalies["mass_removal"] == 1


generations = st.sets(st.integers(1, 12), min_size=1, max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(generations, st.booleans(), st.none() | st.integers(1, 14)), max_size=4))
async def test_the_count_is_the_sum_of_the_view(ledgers, tenants) -> None:
    facts: list[AnyFact] = []
    for number, (known, inherited, last) in enumerate(tenants):
        created_at = NOON - timedelta(days=1) if inherited else NOON
        facts += [seen(number, generation, created_at) for generation in known]
        facts += [removal(number, last)] if last is not None else []
    async with ledgers() as address:
        await deliver(address, *facts)
        connection = await asyncpg.connect(address)
        try:
            listed = await connection.fetchval(
                "SELECT coalesce(sum(generation_to - generation_from + 1), 0) FROM ledger.missing_generations"
            )
        finally:
            await connection.close()
        async with Database.opened(address) as database:
            assert (await shortfall(database)).lacking.missing_generations == listed


async def test_while_postgres_is_away_the_numbers_grow_old_and_come_back(ledger_database: str) -> None:
    async with Database.opened(NOWHERE) as away, Database.opened(ledger_database) as there:
        counting = Stocktaking(away)
        with capture_logs() as lines:
            await counting.once()
        assert [line["event"] for line in lines] == ["stocktaking_failed"]
        assert (counting.found, counting.counted_at) == (None, None)
        counting = Stocktaking(there)
        await counting.once()
        assert counting.found is not None
        assert counting.counted_at is not None


async def test_a_defect_in_counting_does_not_end_the_process(monkeypatch) -> None:
    async def broken(_: object) -> None:
        raise LookupError("no row")

    monkeypatch.setattr(stocktaking, "shortfall", broken)
    async with Database.opened(NOWHERE) as database:
        with capture_logs() as lines:
            await Stocktaking(database).once()
    assert [(line["event"], line["log_level"]) for line in lines] == [("stocktaking_failed", "error")]


@pytest.mark.parametrize("block", re.findall(r"```sql\n(.*?)```", RUNBOOK, re.DOTALL))
async def test_the_runbooks_sql_works(ledger_database: str, block: str) -> None:
    connection = await asyncpg.connect(ledger_database)
    try:
        for statement in block.split(";"):
            if statement.strip():
                await connection.fetch(statement)
    finally:
        await connection.close()


async def test_a_count_that_is_cancelled_at_any_moment_ends(ledger_database):
    """Also while a connection fails: a process that must end waits for this."""
    connection = await asyncpg.connect(ledger_database)
    await connection.execute("INSERT INTO ledger.migrations (version, name, sha256) VALUES (9999, 'x', sha256('x'))")
    await connection.close()
    async with Database.opened(ledger_database) as database:
        for turns in range(60):
            counting = asyncio.create_task(Stocktaking(database).run())
            for _ in range(turns):
                await asyncio.sleep(0.0005)  # other moments, not a wait for one
            counting.cancel()
            await asyncio.wait({counting}, timeout=30)
            assert counting.cancelled(), f"it goes on after {turns} turns"
