"""One transaction of a Postgres connection, which a cancellation ends at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy


@asynccontextmanager
async def transaction(
    connection: asyncpg.Connection | PoolConnectionProxy,
    *,
    isolation: Literal["read_committed", "repeatable_read"] = "read_committed",
    readonly: bool = False,
) -> AsyncIterator[None]:
    """Committed at the end of the block, rolled back if it raises; raises the driver's errors besides.

    A cancelled one terminates the connection, by which Postgres rolls back too. The driver's own transaction would ask
    for a ROLLBACK and wait for the answer: if Postgres is frozen or has just ended the session, that fails, and its
    error takes the place of the cancellation, so that a process that has to end runs on (asyncpg 0.32, measured).

    `isolation` is always said, because a role or a database may have another default.
    """
    begun = connection.transaction(isolation=isolation, readonly=readonly)
    try:
        await begun.start()
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await begun.rollback()
            raise
        await begun.commit()
    except asyncio.CancelledError:
        with suppress(asyncpg.InterfaceError):  # the pool has taken it back itself, because Postgres ended the session
            connection.terminate()
        raise
