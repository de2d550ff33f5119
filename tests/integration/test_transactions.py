"""A transaction that is cancelled ends so, whatever becomes of its connection: a process that must end waits for it."""

import asyncio
import gc
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sidecar.billing import Database
from sidecar.transactions import transaction


@pytest.fixture
async def sql(ledger_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(ledger_database)
    yield connection
    await connection.close()


@pytest.fixture
async def connection(ledger_database: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(ledger_database)
    yield made
    made.terminate()


async def test_the_end_of_the_block_commits_and_an_error_rolls_back(connection, sql):
    async with transaction(connection):
        await connection.execute("CREATE TABLE public.kept ()")

    async def undone() -> None:
        async with transaction(connection):
            await connection.execute("CREATE TABLE public.undone ()")
            raise LookupError

    with pytest.raises(LookupError):
        await undone()
    tables = "SELECT to_regclass('public.kept') IS NOT NULL, to_regclass('public.undone') IS NULL"
    assert tuple(await sql.fetchrow(tables)) == (True, True)
    assert not connection.is_in_transaction()


@pytest.mark.parametrize("ended", [False, True], ids=["", "Postgres ends the session in the same moment"])
async def test_a_cancelled_one_is_rolled_back_and_stays_cancelled(connection, sql, ended: bool):
    inside = asyncio.Event()

    async def work() -> None:
        async with transaction(connection):
            await connection.execute("LOCK TABLE platform_pricing")
            inside.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await inside.wait()
    if ended:
        await sql.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    working.cancel()
    await asyncio.wait({working}, timeout=20)
    assert working.cancelled()
    assert connection.is_closed()
    await sql.execute("BEGIN; LOCK TABLE platform_pricing; COMMIT")  # waits until the other session is gone


@pytest.mark.parametrize("kind", ["transaction", "snapshot"])
@pytest.mark.parametrize("noticed", [False, True], ids=["", "and the pool has noticed"])
async def test_one_of_the_pool_too_and_the_pool_goes_on(ledger_database, sql, kind: str, noticed: bool):
    inside = asyncio.Event()
    async with Database.opened(ledger_database) as database:

        async def work() -> None:
            async with getattr(database, kind)() as begun:
                (row,) = await begun.records("SELECT pg_backend_pid() AS pid")
                await sql.execute("SELECT pg_terminate_backend($1)", row["pid"])
                while noticed and begun._connection._con is not None:  # noqa: ASYNC110 - asyncpg tells nobody
                    await asyncio.sleep(0.005)
                inside.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await inside.wait()
        working.cancel()
        await asyncio.wait({working}, timeout=20)
        assert working.cancelled()
        async with database.snapshot() as begun:
            assert await begun.records("SELECT 1 AS one")


async def test_one_cancelled_at_its_very_end_leaves_nothing_that_fails_later(ledger_database):
    # Seen once in a process that a `Misconfigured` ended: a traceback of the pool's beside the sentence.
    failed: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))

    async def work(inside: asyncio.Event) -> None:
        async with database.snapshot() as begun:
            await begun.records("SELECT 1")
            inside.set()

    for turns in range(0, 120, 3):
        async with Database.opened(ledger_database) as database:
            inside = asyncio.Event()
            working = asyncio.create_task(work(inside))
            await inside.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            working.cancel()
            await asyncio.wait({working}, timeout=20)
    gc.collect()  # a task's error that nobody asked for is told when the task goes
    assert failed == []
