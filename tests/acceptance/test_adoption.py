"""Tenants that are older than the first start: said to wait, and adopted by the backfill's command."""

import asyncio
import os
import pty
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.ledger_reader import LedgerReader
from tests.support.seed import HttpTenants, demo_api_server
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.waiting import until, until_a_later_second


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """Of an API server with three tenants, which have four packages."""
    with demo_api_server(tmp_path) as (url, config):
        tenants = HttpTenants(url)
        tenants.create("acme", "jitsi", "wiki")
        tenants.create("beta", "jitsi", "vault")
        tenants.create("gamma")
        yield config


@pytest.fixture
async def running(tmp_path: Path, kubeconfig: Path, database: str) -> AsyncIterator[Sidecar]:
    """A sidecar that has listed them."""
    await until_a_later_second()
    async with sidecar(tmp_path, kubeconfig, database) as made:
        made.start()
        await LedgerReader(database).until("SELECT count(*) = 3 FROM ledger.tenants", why=made.tail)
        yield made


async def _done(running: Sidecar) -> bool:
    """What its metrics say of the adoption."""
    port = (await running.logged("started"))["http_port"]

    def scraped() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return answer.read().decode()

    (said,) = [line for line in (await asyncio.to_thread(scraped)).splitlines() if line.startswith("sidecar_bootstrap")]
    assert said in ("sidecar_bootstrap_done 0.0", "sidecar_bootstrap_done 1.0")
    return said.endswith(" 1.0")


async def test_a_warning_and_a_metric_say_that_tenants_wait_until_they_are_adopted(running: Sidecar):
    warned = await running.logged("adoption_awaited")
    assert (warned["level"], warned["what_to_do"]) == ("warning", "POST /api/admin/billing/backfill")
    assert not await _done(running)
    assert (await running.command("backfill", "--by", "anna")).code == 0
    await running.stop()
    running.start()  # else it would ask again only after a minute
    await until(lambda: _done(running), "the metric never said that they are adopted")
    assert running.events("adoption_awaited") == []


async def test_the_command_counts_what_it_inserted_and_names_who_asked(running: Sidecar, database: str):
    first = await running.command("backfill", "--by", "anna")
    assert (first.code, first.output) == (
        0,
        "Backfill complete: 3 tenants examined, 3 lifecycle rows, 4 events and 0 suspension events inserted.\n",
    )
    assert "\r" not in first.errors  # no bar where nobody looks
    second = await running.command("backfill", "--by", "anna")
    assert (second.code, second.output) == (
        0,
        "Backfill complete: 3 tenants examined, 0 lifecycle rows, 0 events and 0 suspension events inserted.\n",
    )
    assert await LedgerReader(database).value("SELECT adopted_by FROM ledger.history") == "anna"


async def test_what_postgres_refuses_is_a_problem_of_the_command(running: Sidecar, database: str):
    connection = await asyncpg.connect(database)
    refusing = "ALTER TABLE ledger.observations ADD CONSTRAINT none CHECK (tenant_name <> 'beta') NOT VALID"
    await connection.execute(refusing)
    await connection.close()
    done = await running.command("backfill")
    assert done.code == 1
    assert "problem: 1 facts were refused by Postgres and are not recorded " in done.output


async def test_on_a_terminal_the_command_shows_how_far_it_is(running: Sidecar):
    reading, writing = pty.openpty()
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "sidecar", "backfill"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        env=running.environment,
        timeout=90,
        check=False,
    )
    os.write(writing, b"the end")
    shown = b""
    while not shown.endswith(b"the end"):
        shown += os.read(reading, 10_000)
    os.close(writing)
    os.close(reading)
    assert process.returncode == 0, shown
    assert f"\r[{'#' * 40}] 3 of 3 tenants\r\n".encode() in shown
