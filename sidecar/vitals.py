"""How the process is: whether its loops turn, whether it takes facts, and its numbers.

Freshness, not a constant "ok": a part that hangs shows by the age of its last turn. Postgres or the API server being
away is no illness; restarting would not bring them back.
"""

import time

from sidecar.flush import Flush
from sidecar.metrics import Metrics
from sidecar.recorder import Recorder
from sidecar.spool import Spool
from sidecar.web.certificate import ServingCertificate

# Seconds without a turn after which a loop hangs. The watch turns at each probe (30 s), try, page of a list, and
# every 30 s of a pause; a try that gets no answer ends after a minute. A delivery's statements end after 45 s each.
_WATCH_HANGS = 180.0
_FLUSH_HANGS = 300.0


class Vitals:
    """Reads the signs of the parts."""

    def __init__(
        self, spool: Spool, flush: Flush, recorder: Recorder, certificate: ServingCertificate, metrics: Metrics
    ) -> None:
        self._spool = spool
        self._flush = flush
        self._recorder = recorder
        self._certificate = certificate
        self._metrics = metrics

    async def ailments(self) -> list[str]:
        """Why the process must be restarted; empty if it is well."""
        now = time.monotonic()
        found = []
        standing = self._recorder.standing
        if standing is not None and not standing.paused and now - standing.turned_at > _WATCH_HANGS:
            found.append(f"the watch has not turned for {now - standing.turned_at:.0f} s")
        if self._flush.busy_since is not None and now - self._flush.busy_since > _FLUSH_HANGS:
            found.append(f"a delivery has been under way for {now - self._flush.busy_since:.0f} s")
        return found

    async def obstacles(self) -> list[str]:
        """Why no facts can be taken, or the webhook cannot answer; empty if they can."""
        found = []
        if not self._spool.writable:
            found.append("the spool takes nothing: its disk is full, or its limit is reached")
        if self._certificate.expires_at is None:
            found.append("the webhook cannot answer: SIDECAR_TLS_CERT and SIDECAR_TLS_KEY have no certificate yet")
        return found

    async def exposition(self) -> bytes:
        """The metrics as of now. Nothing is asked of Postgres: numbers are wanted most when it is away."""
        depth = await self._spool.depth()
        self._metrics.spool_facts.set(depth.facts)
        self._metrics.spool_oldest_seconds.set(time.time() - depth.oldest_at if depth.oldest_at is not None else 0)
        if self._recorder.adopted is not None:
            self._metrics.bootstrap_done.set(self._recorder.adopted)
        return self._metrics.exposition()
