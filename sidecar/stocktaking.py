"""Counting what the ledger lacks, every few minutes: the numbers behind the alerts, never asked for by a scrape."""

import asyncio
import random
import time
from typing import Never

import structlog

from sidecar.billing import Database
from sidecar.billing.shortfall import Shortfall, shortfall
from sidecar.errors import Misconfigured, Unavailable

# Seconds between two counts, give or take a fifth, so that replicas do not count together. One takes Postgres 0.4 s
# with 100,000 tenants and a million generations, and 1.2 s before the tables were ever analyzed (measured): at most
# half a percent of one core for each replica. What is missing waits for an audit log or a person, not for minutes.
_EVERY = 300.0

_log = structlog.get_logger()


class Stocktaking:
    """The newest count."""

    def __init__(self, database: Database) -> None:
        self.found: Shortfall | None = None
        """None until Postgres has answered once."""
        self.counted_at: float | None = None
        """Unix seconds."""
        self._database = database

    async def run(self) -> Never:
        """Counts for ever; when it cannot, the numbers grow old, which is a number too."""
        while True:
            await self.once()
            await asyncio.sleep(_EVERY * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret

    async def once(self) -> None:
        """One count, or a line in the log."""
        try:
            self.found = await shortfall(self._database)
        except (Unavailable, Misconfigured) as error:
            _log.warning("stocktaking_failed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a number for a graph must not end the recording; it is logged whole
            _log.error("stocktaking_failed", exc_info=error)
        else:
            self.counted_at = time.time()
