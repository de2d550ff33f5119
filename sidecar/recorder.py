"""Recording: what is known before the first line is read, then watch and flush, both at once, for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from sidecar.attribution import Claims, Commit
from sidecar.backoff import Backoff
from sidecar.cluster import Cluster
from sidecar.errors import Unavailable
from sidecar.facts import Adopted, Anomaly, AnyFact, utc
from sidecar.flush import Flush
from sidecar.intake import Intake
from sidecar.ledger import Delivered, Ledger
from sidecar.settings import Settings
from sidecar.spool import Kept, Spool
from sidecar.watch import Change, Standing, Watch, body_of, positions

# Seconds. A new spool resumes from what the ledger has; a Postgres that takes longer than this to answer is
# away, and recording must begin without it: then the first list is the start.
_LEDGER_PATIENCE = 20.0

# Seconds. Often enough to be found in a day's log, too seldom to fill it.
_REMINDER = 3600.0

# Seconds between two questions whether it has happened; one row, and the metric follows within a minute.
_ADOPTION_CHECK = 60.0

_T = TypeVar("_T")
_log = structlog.get_logger()


class Recorder:
    """The watch of one cluster, and the flush of what it records."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        intake: Intake,
        ledger: Ledger,
        cluster: Cluster,
        flush: Flush,
        claims: Claims,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._append = intake.append
        self._ledger = ledger
        self._cluster = cluster
        self._flush = flush
        self._claims = claims
        self.began_at = time.monotonic()
        """Seconds on the monotonic clock."""
        self._watch: Watch | None = None
        self.adopted: bool | None = None
        """Whether what is older than our history was adopted; None until the ledger has said so."""

    @property
    def standing(self) -> Standing | None:
        """Where the watch stands; None until there is one."""
        return self._watch.standing if self._watch is not None else None

    async def work(self) -> None:
        """Flushes and records until it is cancelled. Raises an ExceptionGroup with what must end the process."""
        kept = await self._spool.kept()
        if self._spool.moved_aside is not None:  # first of all: the next start will not know of it any more
            moved_to = self._spool.moved_aside.name
            corrupt = Anomaly(kind="spool_corrupt", detail={"moved_to": moved_to})
            await _patiently("spool_awaited", lambda: self._append([corrupt]))
        # Nothing may reach the ledger of another cluster, so whose facts these are is known first. A spool with a
        # position says it itself: what it owes is paid although the cluster is away.
        if kept.position is None:
            self._ledger.of_cluster(await _patiently("cluster_awaited", self._cluster.uid))
        else:
            self._ledger.of_cluster(positions.decode(kept.position).cluster_uid)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._flush.run())
            delivered = tasks.create_task(_patiently("ledger_awaited", self._ledger.delivered))
            tasks.create_task(self._record(kept, delivered))
            tasks.create_task(self._remind())

    async def _remind(self) -> None:
        """Until a person has adopted what is older than us, its billing waits: said again every hour."""
        said_at = -_REMINDER
        while not (adopted := await _patiently("ledger_awaited", self._ledger.adopted)):
            self.adopted = adopted
            if time.monotonic() - said_at >= _REMINDER:
                said_at = time.monotonic()
                _log.warning("adoption_awaited", what_to_do="POST /api/admin/billing/backfill")
            await asyncio.sleep(_ADOPTION_CHECK)
        self.adopted = True

    async def _record(self, kept: Kept, delivered: asyncio.Task[Delivered | None]) -> None:
        if self._settings.bootstrap == "auto":
            adopted = Adopted(at=utc(time.time()), by="SIDECAR_BOOTSTRAP=auto")
            await _patiently("spool_awaited", lambda: self._append([adopted]))
        cluster_uid = await _patiently("cluster_awaited", self._cluster.uid)
        await _patiently("resource_awaited", self._cluster.check_scope)
        self._watch = Watch(
            self._cluster,
            self._append,
            cluster_uid=cluster_uid,
            org_label=self._settings.org_label,
            resync_seconds=self._settings.resync_seconds,
            start=kept.position,
            known=kept.tenants,
            delivered=await _resumable(delivered) if kept.position is None else None,
            attribute=self._attribute,
        )
        await self._watch.run()

    def _attribute(self, change: Change, base_version: str) -> Sequence[AnyFact]:
        if not self._claims.awaits(change.tenant.uid):
            return ()  # almost always: then a change costs one look into a dict
        return self._claims.committed(Commit(change.kind, change.tenant, base_version, body_of(change.line)))


async def _resumable(delivered: asyncio.Task[Delivered | None]) -> tuple[str, datetime] | None:
    """Where delivery stands, for a spool that has no position of its own; None if the ledger does not say."""
    done, _ = await asyncio.wait({delivered}, timeout=_LEDGER_PATIENCE)
    if not done:
        _log.warning("ledger_unreachable_at_start", seconds=_LEDGER_PATIENCE)
        return None
    found = delivered.result()
    return None if found is None else (found.version, found.at)


async def _patiently(event: str, ask: Callable[[], Awaitable[_T]]) -> _T:
    """The answer, however long the other side is away. `event` is logged at each try that fails."""
    backoff = Backoff()
    while True:
        try:
            return await ask()
        except Unavailable as error:
            wait = backoff.wait(error.retry_after or 0.0)
            _log.warning(event, reason=str(error), wait=round(wait, 1))
            await asyncio.sleep(wait)
