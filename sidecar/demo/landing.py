"""Waiting for rows of the ledger: a step of the story has happened when exactly its rows are there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import asyncpg

from sidecar.demo.stage import Broken, Stage

_LANDING_SECONDS = 60.0
"""How long rows may take. Milliseconds are usual; a sidecar that starts and catches up needs some seconds."""

_POLL_SECONDS = 0.005  # between two looks: a row lands some 10 ms after the change it tells of

# Its first five columns are a Row.
_ROWS = """
SELECT 'lifecycle' AS ledger, tenant_name, NULL::bigint AS generation, 'created' AS event, NULL AS skill_id,
       created_at AS occurred_at, 'creation' AS time_source
FROM public.tenant_billing_lifecycle
UNION ALL
SELECT 'lifecycle', tenant_name, NULL, 'deleted', NULL, deleted_at, deleted_source
FROM public.tenant_billing_lifecycle WHERE deleted_at IS NOT NULL
UNION ALL
SELECT 'skill', tenant_name, generation, event_kind, skill_id, occurred_at, time_source FROM ledger.skill_events
UNION ALL
SELECT 'suspension', tenant_name, generation, event_kind, NULL, occurred_at, time_source FROM ledger.suspension_events
ORDER BY tenant_name, generation NULLS FIRST, event, skill_id
"""


class Row(NamedTuple):
    """What a row says, without its times. `generation` and `skill` are None where it has none."""

    ledger: str
    tenant: str
    generation: int | None
    event: str
    skill: str | None = None


class Landing:
    """The rows that were there already, and those that come."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._known: set[Row] = set()

    async def begun(self) -> None:
        """Returns when the ledger knows that the sidecar watches: what is created from now on is news to it."""

        async def look() -> str:
            return "" if await self._fetch("SELECT FROM ledger.segments") else "where the sidecar stands"

        await self._until(look)

    async def of(self, expected: Iterable[Row]) -> tuple[list[dict[str, Any]], float]:
        """The expected rows in full, when all of them are there, and the seconds that they took.

        Raises `Broken` if one does not come in time, or if one comes that was not expected.
        """
        awaited, there = set(expected), dict[Row, asyncpg.Record]()

        async def look() -> str:
            there.update((Row(*list(row.values())[:5]), row) for row in await self._fetch(_ROWS))
            return _named(awaited - there.keys())

        began = time.monotonic()
        await self._until(look)
        seconds = time.monotonic() - began
        if surplus := there.keys() - awaited - self._known:
            raise Broken(f"these rows have landed, and nothing that was done explains them: {_named(surplus)}")
        self._known |= awaited
        return [dict(row) for key, row in there.items() if key in awaited], seconds

    async def _until(self, look: Callable[[], Awaitable[str]]) -> None:
        """Looks again and again, until `look` says that nothing is missing."""
        deadline = time.monotonic() + _LANDING_SECONDS
        while missing := await look():
            self._stage.check_sidecar()
            if time.monotonic() > deadline:
                raise Broken(f"after {_LANDING_SECONDS:.0f} s this has not landed: {missing}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _fetch(self, query: str) -> list[asyncpg.Record]:
        try:
            return await self._stage.ledger.fetch(query)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return []  # the sidecar has not made its tables yet


def _named(rows: Iterable[Row]) -> str:
    return "; ".join(" ".join(str(part) for part in row if part is not None) for row in sorted(rows, key=str))
