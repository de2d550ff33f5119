"""A few connections to Postgres for short requests, and what to do when they fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from sidecar.billing import statements
from sidecar.errors import Misconfigured, Unavailable
from sidecar.migrate import migrated
from sidecar.transactions import transaction

# The API serves people and the portal's back end, a few requests a second; more wait for their turn. Each replica
# has one more connection for delivering, and Postgres' own limit is 100 by default.
_CONNECTIONS = 4

# Seconds until a request has its connection, made anew or free again, or hears that Postgres is away. Somebody waits.
_PATIENCE = 5.0

# Seconds. The server ends a statement after 10 (begin.sql), so an answer that takes 15 will not come.
_COMMAND = 15.0

# Seconds an idle connection is kept: longer than between two requests of one person's work.
_IDLE = 60.0

# SQLSTATE classes (PostgreSQL manual, appendix A) that speak of what we sent: 21 cardinality, 22 data exception,
# 23 integrity constraint, 42 syntax or access rule, P0 raised by a trigger. No waiting helps.
_OURS = ("21", "22", "23", "42", "P0")

T = TypeVar("T", bound=Struct)


class Transaction:
    """Statements of one transaction. `shape`: a struct with a field for each column."""

    def __init__(self, connection: PoolConnectionProxy) -> None:
        self._connection = connection

    async def execute(self, statement: str, *arguments: object) -> None:
        """Runs it; what it returns is not of interest."""
        await self._connection.execute(statement, *arguments)

    async def records(self, statement: str, *arguments: object) -> list[Any]:
        """All rows, each readable by its columns' names."""
        return await self._connection.fetch(statement, *arguments)

    async def rows(self, shape: type[T], statement: str, *arguments: object) -> list[T]:
        """All rows."""
        return [shape(**record) for record in await self.records(statement, *arguments)]

    async def row(self, shape: type[T], statement: str, *arguments: object) -> T | None:
        """The first row, or None."""
        record = await self._connection.fetchrow(statement, *arguments)
        return shape(**record) if record is not None else None

    async def the_row(self, shape: type[T], statement: str, *arguments: object) -> T:
        """The row of a statement that always has one; LookupError if it has not."""
        found = await self.row(shape, statement, *arguments)
        if found is None:
            raise LookupError(f"no row from: {statement}")
        return found


class Database:
    """Gives transactions. Made by `opened`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def opened(cls, database_url: str) -> AsyncIterator[Self]:
        """A pool without connections yet, so that it can be opened while Postgres is away."""
        pool = asyncpg.create_pool(
            database_url,
            min_size=0,
            max_size=_CONNECTIONS,
            command_timeout=_COMMAND,
            max_inactive_connection_lifetime=_IDLE,
            # Named prepared statements would outlive a transaction, which a pooler in transaction mode forbids.
            statement_cache_size=0,
            server_settings={"application_name": "billing-sidecar-api"},
            connect=_connected,
            reset=_nothing_to_reset,
        )
        async with pool:
            try:
                yield cls(pool)
            finally:
                pool.terminate()  # close() would wait for ever for a connection whose server is gone

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that may write; committed at the end of the block.

        Raises `Unavailable` when Postgres is away, busy, or the answer to the COMMIT was lost; `Misconfigured`
        when it is not the database of this release, or the role lacks a right; asyncpg's own errors for statements
        that can never work.
        """
        with _translated():
            async with self._connection() as connection, transaction(connection):
                await connection.execute(statements.BEGIN)
                yield Transaction(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        """A transaction whose statements all read the same moment, and write nothing. Raises as `transaction`."""
        with _translated():
            async with (
                self._connection() as connection,
                transaction(connection, isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(statements.BEGIN)
                yield Transaction(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[PoolConnectionProxy]:
        # Not by acquire's own timeout: that is asyncio.wait_for, which in Python 3.11 can swallow a cancellation that
        # comes in the same moment as the connection (cpython#86296).
        async with asyncio.timeout(_PATIENCE):
            connection = await self._pool.acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)


async def _connected(*arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - what the pool was given
    # Not as the pool's `init`: if that fails, the pool closes the connection in order, and swallows a cancellation that
    # comes meanwhile (asyncpg 0.32; it made a process that had to end run on).
    return await migrated(await asyncpg.connect(*arguments, **options))


async def _nothing_to_reset(_connection: asyncpg.Connection) -> None:
    # All that ours set is SET LOCAL. The default asks Postgres once more after each COMMIT, in a task of its own that a
    # cancellation leaves behind: `opened` then closes its connection, and it dies with a traceback nobody waits for.
    pass


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"The database role lacks a right: {error}. Grant it what manifests/database/writer.sql says (again, after "
            "a migration), or make it the owner of the tables."
        ) from error
    except asyncpg.PostgresError as error:
        if error.sqlstate is None or error.sqlstate[:2] in _OURS:
            raise
        raise Unavailable(f"Postgres cannot answer now: {error.sqlstate} {error}") from error
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise Unavailable(f"Postgres does not answer: {type(error).__name__} {error}".strip()) from error
