"""What a release leaves behind: a database and a spool, as the next one finds them (`tests/data/upgrade/RELEASE`).

    DATABASE_URL=… .venv/bin/python -m tests.support.upgrade RELEASE

makes such a folder with the present code: run it once for each release, when it is tagged, and again only for one that
was never released. The database is an empty one of PostgreSQL 15 (`pg_dump` of 15 must be the one in PATH), because
what that writes can be read by all later ones:

    PATH=/usr/lib/postgresql/15/bin:$PATH pg_virtualenv -t -v 15 bash -c '
      DATABASE_URL="postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE" \
      .venv/bin/python -m tests.support.upgrade 0.1.0'

A folder has `dump.sql` (schema and rows), `rows.json` (how many rows each table has) and `spool.db`: a position,
tenants, and the facts that `OWED` speaks of, which were not delivered.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp
import asyncpg

from tests.support import scripted
from tests.support.ledger_reader import LedgerReader
from tests.support.scripted import Answer, Server, event, tenant
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.waiting import until

DATA = Path(__file__).parents[1] / "data" / "upgrade"

_LISTED = [
    tenant(1, 2, 101, ("jitsi", "wiki"), org="org-1"),
    tenant(2, 1, 102, ("threema",), org="org-2"),
    tenant(3, 4, 103, ("jitsi",), org="org-1"),
]
_TOLD = [
    event("MODIFIED", tenant(1, 3, 104, ("jitsi",), org="org-1")),
    event("MODIFIED", tenant(2, 2, 105, ("threema",), org="org-2", suspend=True)),
    event("DELETED", tenant(3, 4, 106, ("jitsi",), org="org-1")),
    event("ADDED", tenant(4, 1, 107, ("nextcloud",), org="org-3")),
]
_OWED = [
    event("MODIFIED", tenant(1, 4, 108, ("jitsi", "matrix"), org="org-1")),
    event("MODIFIED", tenant(4, 2, 109, (), org="org-3")),
]
OWED = [("tenant-1", 4, "matrix", "enabled"), ("tenant-4", 2, "nextcloud", "disabled")]
"""The events that follow from the facts in the spool; each is the last of its tenant."""

LAST = tenant(1, 5, 110, ("jitsi", "matrix", "wiki"), org="org-1")
"""What changes next."""

_NOW = [tenant(1, 4, 108, ("jitsi", "matrix")), tenant(2, 2, 105, ("threema",), org="org-2", suspend=True)]


def goes_on(server: Server) -> None:
    """The API server is as it was when the old version ended."""
    _cluster_scoped(server)
    server.items, server.version = [*_NOW, tenant(4, 2, 109, (), org="org-3")], 109


async def restore(release: str, database: str) -> None:
    """Fills an empty database with the dump of that release."""
    script = (DATA / release / "dump.sql").read_text()
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


def _cluster_scoped(server: Server) -> None:
    body = json.dumps({"resources": [{"name": "piecedtenants", "namespaced": False}]})
    server.other["/apis/pieced.ch/v1alpha1"] = Answer(body=body.encode(), headers={"Content-Type": "application/json"})


async def _record(database: str, folder: Path) -> None:
    """The story: what the old version saw, and what of it was not delivered."""
    async with scripted.serving() as server:
        _cluster_scoped(server)
        server.items, server.version = _LISTED, 103
        config = scripted.kubeconfig(folder, server.url)
        async with sidecar(folder, config, database) as made:
            made.start()
            wire = await server.watch()
            ledger = LedgerReader(database)
            await ledger.delivered(103, made.tail)
            for command in (("backfill", "--by", "carol"), ("ingest", str(DATA.parent / "audit.log"))):
                ended = await made.command(*command)
                assert ended.code == 0, ended.errors
            await wire.send(*_TOLD)
            await ledger.delivered(107, made.tail)
            connection = await asyncpg.connect(database)
            await connection.execute("UPDATE public.platform_pricing SET tenant_monthly_fee_chf = 49.00")
            async with connection.transaction():
                await connection.execute("LOCK TABLE ledger.observations IN ACCESS EXCLUSIVE MODE")
                await wire.send(*_OWED)
                await until(lambda: _owes(made), made.tail)
                await made.stop()  # in order, so that one file has it all
            await connection.close()


async def _owes(made: Sidecar) -> bool:
    (started,) = made.events("started")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{started['http_port']}/metrics") as answer,
    ):
        metrics = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[0] != "#")
    return float(metrics["sidecar_spool_facts"]) >= 3  # two observations, and the segment that they end


def _dump(database: str) -> str:
    """As `pg_dump` writes it, without what only psql or the dumped server understands."""
    command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--dbname", database]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "".join(
        line for line in written.splitlines(keepends=True) if not line.startswith(("\\", "--")) and line.strip()
    )


async def _rows(database: str) -> dict[str, int]:
    reader = LedgerReader(database)
    tables = await reader.rows(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('public', 'ledger') ORDER BY 1"
    )
    return {table["name"]: await reader.value(f"SELECT count(*) FROM {table['name']}") for table in tables}


async def _main(release: str, database: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sidecar-") as name:
        await _record(database, Path(name))
        into = DATA / release
        into.mkdir(parents=True, exist_ok=True)
        (into / "spool.db").write_bytes((Path(name) / "spool.db").read_bytes())
    (into / "rows.json").write_text(json.dumps(await _rows(database), indent=2) + "\n")
    (into / "dump.sql").write_text(_dump(database))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], os.environ["DATABASE_URL"]))
