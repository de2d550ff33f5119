"""The ledger as a test reads it: a connection for each question, because Postgres may be stopped between them."""

from collections.abc import Callable
from typing import Any

import asyncpg

from tests.support.waiting import until


class LedgerReader:
    """Questions to one database."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """All rows of a query; none as long as no sidecar has made the tables."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError):
            return []
        finally:
            await connection.close()

    async def value(self, query: str, *arguments: Any) -> Any:
        """The first column of its first row; None without rows."""
        rows = await self.rows(query, *arguments)
        return next(iter(rows[0].values())) if rows else None

    async def until(self, query: str, *, why: Callable[[], str] = str) -> None:
        """Ask until the answer is true; AssertionError after a long while, with what `why` says then."""

        async def answer() -> bool:
            return bool(await self.value(query))

        await until(answer, lambda: f"never true: {query}\n{why()}")

    async def delivered(self, version: int | str, why: Callable[[], str] = str) -> None:
        """Wait until delivery stands at that version or above."""
        await self.until(f"SELECT max(to_version) >= {int(version)} FROM ledger.segments", why=why)
