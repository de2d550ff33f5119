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
from sidecar.errors import Unavailable
from sidecar.facts import Adopted, Anomaly, AnyFact, encode, utc
from sidecar.flush import Flush
from sidecar.ledger import Delivered, Ledger
from sidecar.settings import Settings
from sidecar.spool import Kept, Spool
from sidecar.watch import Watch, positions

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
            working = tasks.create_task(_work(settings, spool, ledger, cluster, flush))
            _log.info("started", spool=str(settings.spool))
            await stop.wait()
            working.cancel()
        await _flush_last(flush, spool)
    _log.info("stopped")


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[Ledger]:
    ledger = Ledger(settings.database_url.reveal())
    try:
        yield ledger
    finally:
        await ledger.close()


async def _work(settings: Settings, spool: Spool, ledger: Ledger, cluster: Cluster, flush: Flush) -> None:
    """Flushes and records, both at once, for ever."""
    kept = await spool.kept()
    # Nothing may reach the ledger of another cluster, so whose facts these are is known first. A spool with a
    # position says it itself: what it owes is paid although the cluster is away.
    if kept.position is None:
        ledger.of_cluster(await _patiently("cluster_awaited", cluster.uid))
    else:
        ledger.of_cluster(positions.decode(kept.position).cluster_uid)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flush.run())
        delivered = tasks.create_task(_patiently("ledger_awaited", ledger.delivered))
        tasks.create_task(_record(settings, spool, cluster, kept, delivered))


async def _record(
    settings: Settings, spool: Spool, cluster: Cluster, kept: Kept, delivered: asyncio.Task[Delivered | None]
) -> None:
    async def append(facts: Sequence[AnyFact], tenants: Mapping[str, bytes | None], position: bytes | None) -> None:
        await spool.append([encode(fact) for fact in facts], tenants, position)

    if spool.moved_aside is not None:
        await append([Anomaly(kind="spool_corrupt", detail={"moved_to": spool.moved_aside.name})], {}, None)
    if settings.bootstrap == "auto":
        await append([Adopted(at=utc(time.time()), by="SIDECAR_BOOTSTRAP=auto")], {}, None)
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
        delivered=await _resumable(delivered) if kept.position is None else None,
    )
    await watch.run()


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
