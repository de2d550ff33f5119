"""The running sidecar: every part once, opened in order; read backwards, the `async with` lines are the stop."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from sidecar.backfill import Backfill, Progress
from sidecar.billing import Database
from sidecar.cluster import Cluster, Reviews
from sidecar.flush import Flush
from sidecar.ledger import BackfillRun, Ledger
from sidecar.metrics import Metrics
from sidecar.recorder import Recorder
from sidecar.settings import Settings
from sidecar.spool import Spool
from sidecar.vitals import Vitals
from sidecar.web.callers import Callers
from sidecar.web.routing import Parts
from sidecar.web.server import serving

# Seconds for the last flush after SIGTERM. Kubernetes kills after 30 s (terminationGracePeriodSeconds).
_LAST_FLUSH = 10.0

_log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Records and answers until SIGTERM or SIGINT, then flushes once more and returns.

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
        recorder = Recorder(settings, spool, ledger, cluster, flush)
        async with _door(settings, spool, ledger, cluster, flush, recorder) as port, asyncio.TaskGroup() as tasks:
            working = tasks.create_task(recorder.work())
            _log.info("started", spool=str(settings.spool), http_port=port)
            await stop.wait()
            working.cancel()
        await _flush_last(flush, spool)
    _log.info("stopped")


async def backfill(settings: Settings, asked_by: str, progress: Progress) -> BackfillRun:
    """One backfill from a process of its own, beside the running sidecar, which holds the lock of its spool.

    Its facts take the same way, through a spool that lasts as long as the run. Raises as `Backfill.run`.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-backfill-") as folder:
        async with (
            Spool.open(Path(folder) / "spool.db", settings.spool_max_bytes) as spool,
            _ledger(settings) as ledger,
            Cluster.connect(settings.kubeconfig, settings.group, settings.version, settings.plural) as cluster,
        ):
            flush = Flush(spool, ledger)
            recorder = Recorder(settings, spool, ledger, cluster, flush)
            # Without a limit: what this spool holds is gone with it, so the command ends when all is delivered.
            run = Backfill(
                cluster, cluster.uid, recorder.append, ledger, settings.org_label, spool.depth, progress, patience=None
            )
            async with asyncio.TaskGroup() as tasks:
                flushing = tasks.create_task(flush.run())
                done = await run.run(asked_by)
                flushing.cancel()
            return done


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[Ledger]:
    ledger = Ledger(settings.database_url.reveal())
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def _door(
    settings: Settings, spool: Spool, ledger: Ledger, cluster: Cluster, flush: Flush, recorder: Recorder
) -> AsyncIterator[int]:
    metrics = Metrics()
    async with (
        Database.opened(settings.database_url.reveal()) as database,
        Reviews.connect(settings.kubeconfig) as reviews,
    ):
        parts = Parts(
            database=database,
            backfills=Backfill(
                cluster,
                cluster.uid,
                recorder.append,
                ledger,
                settings.org_label,
                spool.depth,
                lambda examined, _: metrics.backfill_tenants.set(examined),
            ),
            accept_removals=ledger.accept_removals,
            depth=spool.depth,
            vitals=Vitals(spool, flush, recorder, metrics),
        )
        callers = Callers(settings.admin_token_file, reviews, settings.admin_audience)
        async with serving(settings.http, parts, callers) as port:
            yield port


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
