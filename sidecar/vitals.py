"""How the process is: whether its loops turn, whether it takes facts, and its numbers.

Freshness, not a constant "ok": a part that hangs shows by the age of its last turn. Postgres or the API server being
away is no illness; restarting would not bring them back.
"""

import dataclasses
import time

from sidecar.measures import MEASURES, Measured, Scrape
from sidecar.metrics import exposition

# Seconds without a turn after which a loop hangs. The watch turns at each probe (30 s), try, page of a list, and
# every 30 s of a pause; a try that gets no answer ends after a minute. A delivery's statements end after 45 s each.
_WATCH_HANGS = 180.0
_FLUSH_HANGS = 300.0

# Seconds. A write to the spool takes milliseconds, 8 MiB on a slow disk a second; a network volume that fails over
# stands still for half a minute. While it stands, the watch reads nothing, although its probes go on.
_DISK_HANGS = 60.0


class Vitals:
    """Reads the signs of the parts."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    async def ailments(self) -> list[str]:
        """Why the process must be restarted; empty if it is well."""
        now = time.monotonic()
        found = []
        standing = self._measured.recorder.standing
        if standing is not None and not standing.paused and now - standing.turned_at > _WATCH_HANGS:
            found.append(f"the watch has not turned for {now - standing.turned_at:.0f} s")
        delivering_since = self._measured.flush.busy_since
        if delivering_since is not None and now - delivering_since > _FLUSH_HANGS:
            found.append(f"a delivery has been under way for {now - delivering_since:.0f} s")
        writing_since = self._measured.spool.busy_since
        if writing_since is not None and now - writing_since > _DISK_HANGS:
            found.append(f"a write to the spool has been under way for {now - writing_since:.0f} s: its disk hangs")
        return found

    async def obstacles(self) -> list[str]:
        """Why no facts can be taken, or the webhook cannot answer; empty if they can."""
        found = []
        if not self._measured.spool.writable:
            found.append("the spool takes nothing: its disk is full, or its limit is reached")
        if self._measured.certificate.expires_at is None:
            found.append("the webhook cannot answer: SIDECAR_TLS_CERT and SIDECAR_TLS_KEY have no certificate yet")
        return found

    async def exposition(self) -> bytes:
        """The metrics as of now. Nothing is asked of Postgres: numbers are wanted most when it is away."""
        parts = {field.name: getattr(self._measured, field.name) for field in dataclasses.fields(self._measured)}
        return exposition(MEASURES, Scrape(**parts, depth=await self._measured.spool.depth()))
