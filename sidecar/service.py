"""The running sidecar: every part once, opened in order; read backwards, the `async with` lines are the stop."""

import asyncio
import gc
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from sidecar.attribution import Claims
from sidecar.audit import Resource
from sidecar.backfill import Append, Backfill, Progress
from sidecar.backoff import Backoff
from sidecar.billing import Database
from sidecar.cluster import Cluster, Requests, Reviews
from sidecar.errors import Misconfigured, Unavailable
from sidecar.facts import AnyFact
from sidecar.flush import Flush
from sidecar.ingest import Ingest, Report
from sidecar.intake import Intake
from sidecar.ledger import BackfillRun, Ledger
from sidecar.measures import Measured
from sidecar.recorder import Recorder
from sidecar.settings import Settings
from sidecar.spool import Spool
from sidecar.stocktaking import Stocktaking
from sidecar.vitals import Vitals
from sidecar.web import webhooks
from sidecar.web.callers import Callers
from sidecar.web.certificate import ServingCertificate
from sidecar.web.routing import Parts
from sidecar.web.server import serving
from sidecar.web.webhooks import Webhooks

# Seconds for the last flush after SIGTERM, when the requests under way have ended (5 s and 12 s at most, and two each
# to cut them). Kubernetes kills later than that: terminationGracePeriodSeconds in manifests/.
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
        Requests.opened(settings.kubeconfig) as requests,
        Database.opened(settings.database_url.reveal()) as database,
    ):
        cluster = Cluster(requests, settings.group, settings.version, settings.plural)
        measured = _measured(settings, spool, ledger, cluster, database)
        parts = Parts(database, measured.backfill, ledger.accept_removals, spool.depth, Vitals(measured))
        callers = Callers(settings.admin_token_file, Reviews(requests), settings.admin_audience)
        async with asyncio.TaskGroup() as tasks:
            work = (measured.recorder.work(), measured.certificate.keep_current(), measured.stocktaking.run())
            working = [tasks.create_task(each) for each in work]
            # Inside, and so closed first: what the last requests tell is recorded and delivered as ever.
            async with (
                serving(settings.http, parts, callers) as http_port,
                webhooks.serving(settings.https, measured.certificate, measured.webhooks) as https_port,
            ):
                # What was imported stays: a full collection need not look at it again (one took 167 ms, measured).
                gc.freeze()
                _log.info("started", spool=str(settings.spool), http_port=http_port, https_port=https_port)
                await stop.wait()
            for task in working:
                task.cancel()
        await _flush_last(measured.flush, spool)
    _log.info("stopped")


def _measured(settings: Settings, spool: Spool, ledger: Ledger, cluster: Cluster, database: Database) -> Measured:
    """All parts that do something, none of them started."""
    watch, audit, listed = Intake(spool, "watch"), Intake(spool, "audit"), Intake(spool, "backfill")
    flush, claims = Flush(spool, ledger), Claims()
    return Measured(
        spool=spool,
        spool_most=settings.spool_max_bytes,
        intakes=(watch, audit, listed),
        flush=flush,
        recorder=Recorder(settings, spool, watch, ledger, cluster, flush, claims),
        claims=claims,
        webhooks=Webhooks(_resource(settings), claims, audit.append, settings.audit_token_file),
        certificate=ServingCertificate(settings.tls_cert, settings.tls_key),
        stocktaking=Stocktaking(database),
        backfill=Backfill(
            cluster, cluster.uid, listed.append, ledger, settings.org_label, spool.depth, lambda *_: None
        ),
    )


async def backfill(settings: Settings, asked_by: str, progress: Progress) -> BackfillRun:
    """One backfill from a process of its own, beside the running sidecar. Raises as `Backfill.run`."""
    async with (
        _delivering(settings) as (spool, ledger),
        Cluster.connect(settings.kubeconfig, settings.group, settings.version, settings.plural) as cluster,
    ):
        run = Backfill(
            cluster,
            cluster.uid,
            Intake(spool, "backfill").append,
            ledger,
            settings.org_label,
            spool.depth,
            progress,
            patience=None,  # what this spool holds is gone with it, so the command ends when all is delivered
        )
        return await run.run(asked_by)


async def ingest(settings: Settings, files: Sequence[str]) -> Report:
    """Files audit logs, also years later; returns when all that they tell is in the ledger.

    Raises `Misconfigured` for a file that cannot be read; what was read before it is delivered all the same.
    """
    async with _delivering(settings) as (spool, _):
        run = Ingest(_resource(settings), _waiting_for_room(Intake(spool, "audit").append))
        try:
            for name in files:
                await run.file(name)
        except Misconfigured:
            await spool.empty()  # not whatever happens: when the flush has ended, and with it this, none will be
            raise
        await spool.empty()
        run.report.set_aside = (await spool.depth()).set_aside
        return run.report


@asynccontextmanager
async def _delivering(settings: Settings) -> AsyncIterator[tuple[Spool, Ledger]]:
    """A spool for a command, with a flush that empties it; the running sidecar holds the lock of its own."""
    with tempfile.TemporaryDirectory(prefix="sidecar-") as folder:
        async with (
            Spool.open(Path(folder) / "spool.db", settings.spool_max_bytes) as spool,
            _ledger(settings) as ledger,
            asyncio.TaskGroup() as tasks,
        ):
            flushing = tasks.create_task(Flush(spool, ledger).run())
            try:
                yield spool, ledger
            finally:
                flushing.cancel()


def _waiting_for_room(append: Append) -> Append:
    """The same for a caller who can wait: as long as the spool takes nothing, it is tried again."""

    async def patient(facts: Sequence[AnyFact]) -> None:
        backoff = Backoff()
        while True:
            try:
                return await append(facts)
            except Unavailable as error:
                _log.warning("spool_awaited", reason=str(error))
                await asyncio.sleep(backoff.wait(error.retry_after or 0.0))

    return patient


def _resource(settings: Settings) -> Resource:
    return Resource(settings.group, settings.version, settings.plural, settings.org_label)


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[Ledger]:
    ledger = Ledger(settings.database_url.reveal())
    try:
        yield ledger
    finally:
        await ledger.close()


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
