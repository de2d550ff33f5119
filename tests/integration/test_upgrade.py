"""From one version to the next, and back: what the old one left is read, and beside the new one it loses nothing."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

import sidecar as package
from tests.support import scripted, upgrade
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.stand_in import Cluster, complete, events, owed, stand_in, toggle, toggled, watched

# 90 s of patience for a condition, several conditions a test, on busy cores.
pytestmark = pytest.mark.timeout(300)

SOURCE = Path(package.__file__).parent
ADDITIVE = """
    ALTER TABLE ledger.observations ADD COLUMN plan text NOT NULL DEFAULT 'basic';
    ALTER TABLE public.tenant_skill_events ADD COLUMN plan text;
    CREATE TABLE ledger.plans (plan text PRIMARY KEY);
    CREATE OR REPLACE VIEW ledger.newest AS SELECT max(generation) AS generation FROM ledger.observations;
"""
"""What a later version may do to the schema: it adds."""

RELEASES = sorted(folder.name for folder in upgrade.DATA.iterdir() if folder.is_dir())


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with stand_in(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def ledger(database: str) -> LedgerReader:
    return LedgerReader(database)


def next_version(folder: Path) -> dict[str, str]:
    """Settings for a copy of the present version that has one more migration."""
    shutil.copytree(SOURCE, folder / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SOURCE.parent / "schema", folder / "schema")
    (folder / "schema" / "9999_next.sql").write_text(ADDITIVE)
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}  # and not what is in the present folder


@asynccontextmanager
async def two(folder: Path, cluster: Cluster, database: str) -> AsyncIterator[tuple[Sidecar, Sidecar]]:
    """One of this version, which watches, and one of the next, which has not been started."""
    newer = folder / "next"
    newer.mkdir()
    async with (
        sidecar(folder, cluster.config, database) as old,
        sidecar(newer, cluster.config, database, **next_version(newer)) as new,
    ):
        old.start()
        await watched(old, LedgerReader(database))
        yield old, new


async def _waits(old: Sidecar) -> bool:
    return any("waits to be replaced" in line["reason"] for line in old.events("flush_postponed"))


async def disconnect(database: str) -> None:
    """As a failover does: every sidecar must connect anew."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing-sidecar'"
    )
    await connection.close()


async def test_the_old_version_goes_on_delivering_beside_the_new_one(tmp_path, cluster, ledger, database):
    async with two(tmp_path, cluster, database) as (old, new):
        await cluster.create("acme", "jitsi")
        await toggle(cluster, 3)
        await ledger.delivered(await cluster.version(), old.tail)  # by statements that it keeps prepared
        new.start()
        await new.logged("watch_opened")
        await ledger.until("SELECT count(*) = 1 FROM ledger.migrations WHERE version = 9999", why=new.tail)
        await toggle(cluster, 10, 3)
        await new.stop()
        await toggle(cluster, 10, 13)
        await ledger.delivered(await cluster.version(), old.tail)
        await old.stop()
        assert await owed(old.spool) == 0
        assert await events(ledger) == toggled(23)


async def test_an_old_version_that_may_not_deliver_any_more_records_until_it_is_replaced(
    tmp_path, cluster, ledger, database
):
    async with two(tmp_path, cluster, database) as (old, new):
        await cluster.create("acme", "jitsi")
        await ledger.delivered(await cluster.version(), old.tail)
        assert (await new.command("migrate")).code == 0
        await disconnect(database)
        await toggle(cluster, 10)
        await old.while_running(lambda: _waits(old), "it does not wait to be replaced")
        await old.stop()
        assert await owed(old.spool) > 0
        # In its place, on its spool, as in a StatefulSet or on the same node.
        new.environment["SIDECAR_SPOOL"] = str(old.spool)
        new.start()
        await ledger.delivered(await cluster.version(), new.tail)
        assert await events(ledger) == toggled(10)
        await complete(new)


async def test_going_back_behind_a_migration_is_refused_with_a_sentence(tmp_path, cluster, database):
    async with two(tmp_path, cluster, database) as (old, new):
        await old.stop()
        assert (await new.command("migrate")).code == 0
        old.start()
        assert await old.exit_code() == 2
        assert "The database is at version 9999, this release knows versions up to " in old.tail()
        assert "Traceback" not in old.tail()


@pytest.mark.parametrize("release", RELEASES)
async def test_the_spool_and_the_database_of_a_release_are_taken_over(tmp_path, database, ledger, release):
    await upgrade.restore(release, database)
    shutil.copy(upgrade.DATA / release / "spool.db", tmp_path / "spool.db")
    assert await owed(tmp_path / "spool.db") > 0
    before = await events(ledger)
    async with scripted.serving() as server:
        upgrade.goes_on(server)
        async with sidecar(tmp_path, scripted.kubeconfig(tmp_path, server.url), database) as made:
            made.start()
            wire = await server.watch()
            assert wire.query["resourceVersion"] == str(server.version)  # it resumes where the old one stood
            await ledger.delivered(server.version, made.tail)
            assert await events(ledger) == sorted([*before, *upgrade.OWED])
            await wire.send(scripted.event("MODIFIED", upgrade.LAST))
            await ledger.delivered(upgrade.LAST["metadata"]["resourceVersion"], made.tail)
            ended = await made.command("verify")
            assert ended.code == 0, ended.output
            assert "every row follows from its facts" in ended.output
            await made.stop()
    for table, rows in json.loads((upgrade.DATA / release / "rows.json").read_text()).items():
        assert await ledger.value(f"SELECT count(*) FROM {table}") >= rows, table
