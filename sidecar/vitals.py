"""How the process is: whether its loops turn, whether it takes facts, and its numbers.

Freshness, not a constant "ok": a part that hangs shows by the age of its last turn. Postgres or the API server being
away is no illness; restarting would not bring them back.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from sidecar.errors import Unavailable
from sidecar.flush import Flush
from sidecar.ledger import Ledger
from sidecar.metrics import Metrics
from sidecar.spool import Spool
from sidecar.watch import Standing

# Seconds without a turn after which a loop hangs. The watch turns at each probe (30 s) or try; a try that gets no
# answer ends after a minute, and the longest pause is 30 s. A delivery's statements end after 45 s each.
_WATCH_HANGS = 180.0
_FLUSH_HANGS = 300.0


class Vitals:
    """Reads the signs of the parts; `standing` gives the watch's, None until there is one."""

    def __init__(
        self, spool: Spool, flush: Flush, ledger: Ledger, metrics: Metrics, standing: Callable[[], Standing | None]
    ) -> None:
        self._spool = spool
        self._flush = flush
        self._ledger = ledger
        self._metrics = metrics
        self._standing = standing

    async def ailments(self) -> list[str]:
        """Why the process must be restarted; empty if it is well."""
        now = time.monotonic()
        found = []
        standing = self._standing()
        if standing is not None and not standing.paused and now - standing.turned_at > _WATCH_HANGS:
            found.append(f"the watch has not turned for {now - standing.turned_at:.0f} s")
        if self._flush.busy_since is not None and now - self._flush.busy_since > _FLUSH_HANGS:
            found.append(f"a delivery has been under way for {now - self._flush.busy_since:.0f} s")
        return found

    async def obstacles(self) -> list[str]:
        """Why no facts can be taken; empty if they can."""
        return [] if self._spool.writable else ["the spool takes nothing: its disk is full, or its limit is reached"]

    async def exposition(self) -> bytes:
        """The metrics as of now."""
        self._metrics.spool_facts.set((await self._spool.depth()).facts)
        with suppress(
            Unavailable
        ):  # then the gauge keeps what Postgres said last; that it is away shows in the spool's
            self._metrics.bootstrap_done.set(await self._ledger.adopted())
        return self._metrics.exposition()
