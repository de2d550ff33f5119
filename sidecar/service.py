"""The running sidecar: every part once, opened in order; read backwards, the `async with` lines are the stop."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import structlog

from sidecar.backoff import Backoff
from sidecar.cluster import Cluster
from sidecar.errors import Misconfigured, Unavailable
from sidecar.facts import Adopted, Anomaly, AnyFact, encode, utc
from sidecar.flush import Flush
from sidecar.ledger import Ledger
from sidecar.settings import Settings
from sidecar.spool import Kept, Spool
from sidecar.watch import Watch

# Seconds. A new spool resumes from what the ledger has; a Postgres that takes longer than this to answer is
# away, and recording must begin without it: then the first list is the start.
_LEDGER_PATIENCE = 20.0

# Seconds for the last flush after SIGTERM. Kubernetes kills after 30 s (terminationGracePeriodSeconds).
_LAST_FLUSH = 10.0

_T = TypeVar("_T")
_log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Records until SIGTERM or SIGINT, then flushes once more and returns.

    Raises an ExceptionGroup: with `Misconfigured` when a person must change something first; any other error
    that ends a part ends the process too, so that it is restarted.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        Spool.open(settings.spool, settings.spool_max_bytes) as spool,
        _ledger(settings) as ledger,
        Cluster.connect(settings.kubeconfig, settings.group, settings.version, settings.plural) as cluster,
    ):
        flush = Flush(spool, ledger)
        async with asyncio.TaskGroup() as tasks:
            flushing = tasks.create_task(flush.run())
            recording = tasks.create_task(_record(settings, spool, ledger, cluster))
            _log.info("started", spool=str(settings.spool))
            await stop.wait()
            for task in (recording, flushing):
                task.cancel()
        await _flush_last(flush, spool)
    _log.info("stopped")


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[Ledger]:
    ledger = Ledger(settings.database_url.reveal())
    try:
        yield ledger
    finally:
        await ledger.close()


async def _record(settings: Settings, spool: Spool, ledger: Ledger, cluster: Cluster) -> None:
    async def append(facts: Sequence[AnyFact], tenants: Mapping[str, bytes | None], position: bytes | None) -> None:
        await spool.append([encode(fact) for fact in facts], tenants, position)

    if spool.moved_aside is not None:
        await append([Anomaly(kind="spool_corrupt", detail={"moved_to": spool.moved_aside.name})], {}, None)
    if settings.bootstrap == "auto":
        await append([Adopted(at=utc(time.time()), by="SIDECAR_BOOTSTRAP=auto")], {}, None)
    kept = await spool.kept()
    cluster_uid = await _patiently("cluster_awaited", cluster.uid)
    await _patiently("resource_awaited", cluster.check_scope)
    watch = Watch(
        cluster,
        append,
        cluster_uid=cluster_uid,
        org_label=settings.org_label,
        resync_seconds=settings.resync_seconds,
        start=kept.position,
        known=kept.tenants,
        delivered=await _delivered(ledger, cluster_uid, kept),
    )
    await watch.run()


async def _delivered(ledger: Ledger, cluster_uid: str, kept: Kept) -> tuple[str, datetime] | None:
    """Where delivery stands, for a spool that has no position of its own."""
    try:
        async with asyncio.timeout(_LEDGER_PATIENCE):
            theirs = await _patiently("ledger_awaited", ledger.cluster_uid)
            if theirs not in {None, cluster_uid}:
                raise Misconfigured(
                    f"DATABASE_URL is the ledger of cluster {theirs}, but KUBECONFIG leads to {cluster_uid}: "
                    "one ledger records one cluster; correct one of the two"
                )
            delivered = await ledger.delivered() if kept.position is None else None
    except TimeoutError:
        _log.warning("ledger_unreachable_at_start", seconds=_LEDGER_PATIENCE)
        return None
    return None if delivered is None else (delivered.version, delivered.at)


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


async def _flush_last(flush: Flush, spool: Spool) -> None:
    """What can still be delivered is; the rest stays on the disk."""
    try:
        async with asyncio.timeout(_LAST_FLUSH):
            while (await spool.depth()).facts and await flush.once():
                pass
    except TimeoutError:
        _log.warning("last_flush_cut", seconds=_LAST_FLUSH)
    if left := (await spool.depth()).facts:
        _log.warning("facts_left_in_spool", facts=left)
