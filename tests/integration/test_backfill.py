"""The backfill with a real spool, flush and ledger; only the API server's list is made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from sidecar.answers import Page
from sidecar.backfill import DELIVERY_PATIENCE, Backfill
from sidecar.errors import AlreadyRunning, Misconfigured, Unavailable
from sidecar.facts import AnyFact, Began, Removal, Seen, encode
from sidecar.flush import Flush
from sidecar.ledger import BackfillRun, Ledger, filing
from sidecar.spool import Spool
from sidecar.verify import verify
from tests.support.waiting import until

ORG_LABEL = "pieced.ch/zitadel-org-id"
NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
BEGAN = Began(cluster_uid="cluster", at=NOW - timedelta(minutes=1))


def uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def item(number: int, generation: int, packages: object, *, created: datetime = LONG_AGO, **status: object) -> dict:
    suspended = bool(status)
    return {
        "metadata": {
            "name": f"tenant-{number}",
            "uid": uid(number),
            "generation": generation,
            "resourceVersion": str(1000 + number * 100 + generation),
            "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "labels": {ORG_LABEL: "org"},
        },
        "spec": {"packages": packages, "suspend": suspended},
        "status": status,
    }


def seen(number: int, generation: int, *packages: str, source: str = "watch", created: datetime = LONG_AGO) -> Seen:
    return Seen(
        tenant_uid=uid(number),
        generation=generation,
        resource_version=str(1000 + number * 100 + generation),
        tenant_name=f"tenant-{number}",
        zitadel_org_id="org",
        packages=tuple(sorted(packages)),
        created_at=created,
        source=source,
        at=NOW,
        time_source="watch" if source == "watch" else "late",
    )


class Cluster:
    """What is alive, in pages of `size`; nothing else of an API server."""

    def __init__(self, *items: dict, size: int = 2) -> None:
        self.items = list(items)
        self.size = size
        self.name = "cluster"
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def list_page(self, limit: int, continue_token: str = "") -> Page:
        await self.may_answer.wait()
        start = int(continue_token or 0)
        end = start + min(limit, self.size)
        raw = [msgspec.Raw(msgspec.json.encode(each)) for each in self.items[start:end]]
        token = str(end) if end < len(self.items) else ""
        return Page("9000", datetime.now(UTC), datetime.now(UTC), None, raw, token, 100, max(0, len(self.items) - end))

    async def uid(self) -> str:
        return self.name

    def watch(self, version: str, timeout_seconds: int):
        raise NotImplementedError


class Replica:
    """A spool, a ledger and the flush between them."""

    def __init__(self, spool: Spool, address: str) -> None:
        self.spool = spool
        self.ledger = Ledger(address)
        self.flush = Flush(spool, self.ledger)
        self.told: list[tuple[int, int]] = []

    async def store(self, *facts: AnyFact) -> None:
        await self.spool.append([encode(fact) for fact in facts])

    async def settle(self) -> None:
        while (await self.spool.depth()).facts:
            assert await self.flush.once()

    def backfill(self, cluster: Cluster, patience: float | None = DELIVERY_PATIENCE) -> Backfill:
        return Backfill(
            cluster,
            cluster.uid,
            lambda facts: self.store(*facts),
            self.ledger,
            ORG_LABEL,
            self.spool.depth,
            lambda examined, total: self.told.append((examined, total)),
            patience,
        )

    async def run(self, cluster: Cluster) -> BackfillRun:
        flushing = asyncio.create_task(self.flush.run())
        try:
            return await self.backfill(cluster).run("test")
        finally:
            flushing.cancel()
            await asyncio.wait([flushing])


@asynccontextmanager
async def replica(path: Path, address: str) -> AsyncIterator[Replica]:
    async with Spool.open(path, 2**30) as spool:
        one = Replica(spool, address)
        yield one
        await one.ledger.close()


@pytest.fixture
async def one(tmp_path: Path, ledger_database: str) -> AsyncIterator[Replica]:
    async with replica(tmp_path / "one.db", ledger_database) as made:
        yield made


@pytest.fixture
async def sql(ledger_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


async def _holds(spool: Spool, facts: int) -> bool:
    return (await spool.depth()).facts == facts


def counts(run: BackfillRun) -> tuple[int, int, int, int]:
    return run.tenants_examined, run.lifecycle_inserted, run.events_inserted, run.suspension_events_inserted


async def rows(sql: asyncpg.Connection) -> list[tuple]:
    select = (
        "SELECT tenant_name, generation, skill_id, event_kind, time_source FROM ledger.skill_events ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in await sql.fetch(select)]


async def test_a_change_before_the_first_run_has_its_true_time_and_the_rest_is_assumed(one, sql) -> None:
    await one.store(BEGAN, seen(1, 7, "a", "b", source="list"), seen(1, 8, "a", "b", "c"))
    await one.settle()
    since = NOW - timedelta(days=20)
    cluster = Cluster(item(1, 8, ["a", "b", "c"]), item(2, 3, ["x"]), item(3, 2, [], suspendedAt=since.isoformat()))
    assert counts(await one.run(cluster)) == (3, 2, 3, 1)
    assert counts(await one.run(cluster)) == (3, 0, 0, 0)
    assert await rows(sql) == [
        ("tenant-1", 7, "a", "enabled", "assumed"),
        ("tenant-1", 7, "b", "enabled", "assumed"),
        ("tenant-1", 8, "c", "enabled", "watch"),
        ("tenant-2", 3, "x", "enabled", "assumed"),
    ]
    suspended = await sql.fetchrow("SELECT occurred_at, time_source FROM ledger.suspension_events")
    assert tuple(suspended) == (since, "suspended_at")
    assert (await verify(sql)).differences == []


async def test_two_replicas_whose_first_lists_differ_adopt_every_package_once(
    one, sql, tmp_path, ledger_database
) -> None:
    async with replica(tmp_path / "two.db", ledger_database) as two:
        await two.store(Began(cluster_uid="cluster", at=NOW), seen(1, 8, "a", "b", "c", source="list"))
        await one.store(BEGAN, seen(1, 7, "a", "b", source="list"), seen(1, 8, "a", "b", "c"))
        await two.settle()
        cluster = Cluster(item(1, 8, ["a", "b", "c"]))
        first = await two.run(cluster)
        await one.settle()
        second = await one.run(cluster)
    assert counts(first) == (1, 1, 3, 0)
    assert counts(second) == (1, 0, 0, 0)
    assert [(r[1], r[2]) for r in await rows(sql)] == [(7, "a"), (7, "b"), (8, "c")]


async def test_a_run_that_died_in_the_middle_is_counted_when_its_facts_arrive(one, sql) -> None:
    run = asyncio.create_task(one.backfill(Cluster(item(1, 7, ["a", "b"]))).run("test"))
    # Nobody flushes: once all four facts are on the disk, the run waits for their delivery.
    await until(lambda: _holds(one.spool, 4), "the run never stored all it learnt")
    run.cancel()
    await asyncio.wait([run])
    again = await one.run(Cluster(item(1, 7, ["a", "b"])))
    assert counts(again) == (1, 0, 0, 0)
    first = await sql.fetchrow(
        "SELECT tenants_examined, lifecycle_inserted, events_inserted FROM ledger.backfills ORDER BY id"
    )
    assert tuple(first) == (1, 1, 2)


async def test_changes_that_arrive_during_a_run_are_not_counted_as_its_work(one, sql) -> None:
    await one.store(BEGAN, seen(5, 1, "live", created=NOW))
    run = await one.run(Cluster(item(1, 7, ["a"])))
    assert counts(run) == (1, 1, 1, 0)
    assert len(await rows(sql)) == 2


async def test_another_cluster_is_refused_at_the_start_and_in_the_middle(one, sql) -> None:
    await one.store(BEGAN)
    await one.settle()
    cluster = Cluster(item(1, 1, ["a"]))
    cluster.name = "another"
    with pytest.raises(Misconfigured, match="one ledger records one cluster"):
        await one.backfill(cluster).run("test")
    one.ledger.of_cluster("cluster")
    cluster.name = "cluster"
    cluster.may_answer.clear()
    run = asyncio.create_task(one.backfill(cluster).run("test"))
    await until(lambda: sql.fetchval("SELECT count(*) FROM ledger.backfills"), "the run never began")
    cluster.name = "another"
    cluster.may_answer.set()
    with pytest.raises(Misconfigured, match="KUBECONFIG was changed"):
        await run
    assert (await one.spool.depth()).facts == 0


async def test_a_moment_without_postgres_does_not_end_a_run_that_waits_for_its_delivery(one, monkeypatch) -> None:
    look, away = one.ledger.backfill, [Unavailable("Postgres does not answer")] * 2

    async def looked(number: int) -> BackfillRun:
        if away:
            raise away.pop()
        return await look(number)

    monkeypatch.setattr(one.ledger, "backfill", looked)
    assert counts(await one.run(Cluster(item(1, 7, ["a"])))) == (1, 1, 1, 0)
    assert not away


async def test_a_postgres_that_is_too_slow_is_said_with_what_waits_and_a_later_run_counts_for_itself(one, sql) -> None:
    await one.store(BEGAN)
    slow = one.backfill(Cluster(item(1, 7, ["a", "b"])), patience=0.1)  # nobody flushes meanwhile
    with pytest.raises(Unavailable, match="5 facts wait in the spool and will be delivered") as raised:
        await slow.run("test")
    assert raised.value.retry_after
    assert not slow.running
    await one.settle()
    assert len(await rows(sql)) == 2
    assert counts(await one.run(Cluster(item(1, 7, ["a", "b"])))) == (1, 0, 0, 0)


async def test_progress_is_told_page_by_page(one) -> None:
    await one.run(Cluster(*(item(n, 1, []) for n in range(5)), size=2))
    assert one.told == [(2, 5), (4, 5), (5, 5)]


async def test_ten_thousand_tenants_with_twelve_packages_each_are_delivered_before_the_answer_is_due(one) -> None:
    packages = [f"package-{n}" for n in range(12)]
    many = Cluster(*(item(n, 1, packages) for n in range(10_000)), size=500)
    assert counts(await one.run(many)) == (10_000, 10_000, 120_000, 0)
    assert one.told == [(n, 10_000) for n in range(500, 10_001, 500)]
    assert counts(await one.run(many)) == (10_000, 0, 0, 0)


async def test_an_unreadable_tenant_is_a_problem_by_name_and_the_others_are_done(one, sql) -> None:
    run = await one.run(
        Cluster(item(1, 7, "a string"), item(2, 3, ["x"]), {"metadata": {"name": "odd"}}, item(3, 1, []))
    )
    assert run.tenants_examined == 4
    assert run.events_inserted == 1
    assert len(run.problems) == 2
    assert run.problems[0].startswith("tenant-1: ")
    assert await sql.fetchval("SELECT count(*) FROM ledger.anomalies WHERE kind = 'unreadable'") == 2


async def test_a_live_row_whose_tenant_is_gone_ends_and_an_object_without_name_ends_nobody(one, sql) -> None:
    await one.store(BEGAN, seen(1, 1, "a", created=NOW), seen(2, 1, "b", created=NOW))
    await one.run(Cluster(item(1, 1, ["a"], created=NOW), {"metadata": {"name": "odd"}}))
    live = "SELECT count(*) FROM tenant_billing_lifecycle WHERE deleted_at IS NULL"
    assert await sql.fetchval(live) == 2
    await one.run(Cluster(item(1, 1, ["a"], created=NOW)))
    assert await sql.fetchval(live) == 1


async def test_inherited_and_gone_before_the_adoption_is_counted_and_billed(one, sql) -> None:
    await one.store(BEGAN, seen(1, 7, "a", source="list"))
    await one.store(Removal(tenant_uid=uid(1), time_source="watch", at=NOW, last_generation=7))
    await one.settle()
    assert counts(await one.run(Cluster())) == (0, 0, 1, 0)
    assert await sql.fetchval("SELECT ended_at FROM ledger.skill_intervals") == NOW


async def test_rows_that_a_restored_database_lost_come_back_marked(one, sql) -> None:
    await one.store(
        BEGAN, seen(1, 1, "a", created=NOW), seen(1, 2, "a", "b", created=NOW), seen(1, 3, "b", created=NOW)
    )
    await one.settle()
    before = await rows(sql)
    for table in ("tenant_skill_events", "tenant_billing_lifecycle"):
        await sql.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await sql.execute(f"DELETE FROM {table}")
        await sql.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert counts(await one.run(Cluster(item(1, 3, ["b"], created=NOW)))) == (1, 1, 3, 0)
    assert await rows(sql) == before
    assert await sql.fetchval("SELECT DISTINCT source FROM tenant_skill_events WHERE generation < 3") == "backfill"
    assert (await verify(sql)).differences == []


async def test_a_ledger_too_large_for_one_statement_is_repaired_in_pieces(one, sql, monkeypatch) -> None:
    await one.store(BEGAN, *(seen(n, g, f"p{g}", created=NOW) for n in range(1, 6) for g in (1, 2, 3)))
    await one.settle()
    before = await rows(sql)
    await sql.execute("ALTER TABLE tenant_skill_events DISABLE TRIGGER USER; DELETE FROM tenant_skill_events")
    for generations in (1, 3, 4, 7):
        await sql.execute("DELETE FROM tenant_skill_events WHERE id % 3 <> 0")
        monkeypatch.setattr(filing, "_GENERATIONS_A_STATEMENT", generations)
        await one.run(Cluster(*(item(n, 3, ["p3"], created=NOW) for n in range(1, 6))))
        assert await rows(sql) == before
        assert (await verify(sql)).differences == []


async def test_what_postgres_refuses_of_a_run_is_one_of_its_problems(one, sql) -> None:
    await sql.execute("ALTER TABLE tenant_skill_events ADD CONSTRAINT known CHECK (skill_id <> 'odd')")
    await one.store(BEGAN, seen(1, 3, "a"), seen(2, 3, "odd"))
    await one.settle()
    cluster = Cluster(item(1, 3, ["a"]), item(2, 3, ["odd"]))
    (problem,) = (await one.run(cluster)).problems
    assert problem.startswith("1 facts were refused by Postgres and are not recorded")
    assert not await one.ledger.adopted()  # one row of all those that the adoption writes
    await sql.execute("ALTER TABLE tenant_skill_events DROP CONSTRAINT known")
    assert (await one.run(cluster)).problems == []
    assert await one.ledger.adopted()
    assert (await verify(sql)).differences == []


async def test_a_run_whose_last_fact_is_refused_ends_and_says_so(one, sql) -> None:
    await one.store(BEGAN, seen(1, 3, "odd", created=NOW))
    await one.settle()
    await sql.execute("ALTER TABLE tenant_skill_events DISABLE TRIGGER USER; DELETE FROM tenant_skill_events")
    await sql.execute("ALTER TABLE tenant_skill_events ADD CONSTRAINT known CHECK (skill_id <> 'odd')")
    flushing = asyncio.create_task(one.flush.run())
    with pytest.raises(Unavailable, match="cannot end: 1 facts were refused by Postgres"):
        await one.backfill(Cluster(item(1, 3, ["odd"], created=NOW)), patience=None).run("test")
    flushing.cancel()


async def test_a_second_run_at_the_same_time_is_refused(one) -> None:
    cluster = Cluster(item(1, 1, ["a"]))
    cluster.may_answer.clear()
    backfill = one.backfill(cluster)
    first = asyncio.create_task(backfill.run("first"))
    await asyncio.sleep(0)  # to its first pause: it has begun
    assert backfill.running
    with pytest.raises(AlreadyRunning):
        await backfill.run("second")
    cluster.may_answer.set()
    await one.ledger.begin_backfill("the first has begun")
    first.cancel()
    await asyncio.wait([first])


async def test_without_postgres_a_run_says_so_at_once_and_lists_nothing(tmp_path) -> None:
    async with replica(tmp_path / "away.db", "postgresql://nobody@127.0.0.1:9/nothing") as away:
        await away.store(BEGAN)
        with pytest.raises(Unavailable, match=r"Postgres does not answer: .* 1 facts wait in the spool"):
            await away.backfill(Cluster(item(1, 1, ["a"]))).run("test")
        assert (await away.spool.depth()).facts == 1
