"""The backfill: every living tenant once more, on a person's word, and the adoption of those older than us.

It makes the same facts as the watch and takes the same way. What its facts really insert is counted by the ledger
in the transactions that insert (`ledger.backfills`), so the answer is right after a crash, and with replicas.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec
import structlog

from sidecar.answers import Tenants
from sidecar.errors import AlreadyRunning, Misconfigured, Unavailable
from sidecar.facts import Adopted, AnyFact, Backfilled, Census, utc
from sidecar.ledger import BackfillRun, Ledger
from sidecar.observing import facts_of
from sidecar.spool import Depth
from sidecar.watch.listing import pages
from sidecar.watch.news import Unusable

# Seconds. The answer must come before a client or a proxy gives up (curl waits for ever, ingress-nginx 60 s); what
# has been listed by then is on the disk, and is delivered and counted all the same.
DELIVERY_PATIENCE = 45.0

# Seconds between two looks at the run's row; its last fact is delivered milliseconds after the one before.
_LOOK = 0.1

# Problems that an answer names; the anomalies have all of them.
_NAMED = 100

Append = Callable[[Sequence[AnyFact]], Awaitable[None]]
"""Makes facts durable in the spool. Raises `Unavailable` (`SpoolFull`)."""

Progress = Callable[[int, int], None]
"""Is told how many tenants have been examined, and of how many."""

_log = structlog.get_logger()


class Backfill:
    """Runs one backfill at a time in this process."""

    def __init__(
        self,
        tenants: Tenants,
        cluster_uid: Callable[[], Awaitable[str]],
        append: Append,
        ledger: Ledger,
        org_label: str,
        depth: Callable[[], Awaitable[Depth]],
        progress: Progress,
        patience: float | None = DELIVERY_PATIENCE,
    ) -> None:
        """`cluster_uid`: which cluster answers now. `depth`: what waits in the spool.

        `progress` is told how far the run is, after each page. `patience`: seconds that the delivery may take after
        the list; None: as long as it takes.
        """
        self._tenants = tenants
        self._cluster_uid = cluster_uid
        self._append = append
        self._ledger = ledger
        self._org_label = org_label
        self._depth = depth
        self._progress = progress
        self._patience = patience
        self._running = asyncio.Lock()
        self.examined = 0
        """Tenants that the run under way, or the last one, has examined."""

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._running.locked()

    async def run(self, asked_by: str) -> BackfillRun:
        """One run, until all it learnt is in the ledger; what it really inserted.

        Raises `AlreadyRunning`; `Unavailable` when the API server, the spool or Postgres is away or too slow:
        nothing is lost then, and a later run reports honestly what it inserts itself. Facts that Postgres refused are
        one of the `problems`; if the one that ends the run is among them, it raises `Unavailable` too.
        """
        if self.running:
            raise AlreadyRunning("a backfill is running already; ask again when it has ended")
        async with self._running:
            started = time.monotonic()
            before = (await self._depth()).set_aside
            cluster_uid = await self._cluster_uid()
            self._ledger.of_cluster(cluster_uid)
            number = await self._begun(asked_by)
            _log.info("backfill_started", run=number, asked_by=asked_by)
            await self._list(number, asked_by, cluster_uid)
            done = await self._delivered(number, before)
            _log.info(
                "backfill_finished",
                run=number,
                tenants=done.tenants_examined,
                lifecycle=done.lifecycle_inserted,
                events=done.events_inserted,
                suspensions=done.suspension_events_inserted,
                problems=len(done.problems),
                seconds=round(time.monotonic() - started, 2),
            )
            return done

    async def _begun(self, asked_by: str) -> int:
        try:
            return await self._ledger.begin_backfill(asked_by)
        except Unavailable as error:
            waiting = (await self._depth()).facts
            raise Unavailable(
                f"{error}. The backfill has not begun; {waiting} facts wait in the spool and will be delivered",
                error.retry_after,
            ) from error

    async def _list(self, number: int, asked_by: str, cluster_uid: str) -> None:
        first = None
        uids: list[str] = []
        problems: list[str] = []
        examined = nameless = 0
        async for page, items in pages(self._tenants, self._org_label):
            first = first or page
            facts: list[AnyFact] = []
            for item in items:
                examined += 1
                if isinstance(item, Unusable):
                    facts.append(item.anomaly())
                    problems.append(f"{item.uid or 'an object without identity'}: {item.reason}")
                    nameless += item.uid is None
                else:
                    facts += facts_of(item, "backfill", page.answered_at, None, "late")
                    if item.unreadable is not None:
                        problems.append(f"{item.name}: {item.unreadable}")
                if item.uid is not None:
                    uids.append(item.uid)
            await self._check_cluster(cluster_uid)
            await self._append([msgspec.structs.replace(fact, backfill=number) for fact in facts])
            self.examined = examined
            self._progress(examined, examined + (page.remaining or 0))
            _log.info("backfill_listed", run=number, tenants=examined)
        if first is not None and not nameless:  # else a living tenant that has no name would be taken for gone
            census = Census(
                version=first.version,
                sent_at=first.sent_at,
                answered_at=first.answered_at,
                uids=tuple(uids),
                backfill=number,
            )
            await self._append([census])
        await self._append(
            [
                Adopted(at=utc(time.time()), by=asked_by, backfill=number),
                Backfilled(tenants_examined=examined, problems=tuple(problems[:_NAMED]), backfill=number),
            ]
        )

    async def _check_cluster(self, expected: str) -> None:
        """A kubeconfig may be switched at any moment: what another cluster answered is not stored."""
        if (found := await self._cluster_uid()) != expected:
            raise Misconfigured(
                f"the backfill began with cluster {expected}, and now cluster {found} answers: KUBECONFIG was changed "
                "to another cluster; one ledger records one cluster"
            )

    async def _delivered(self, number: int, set_aside: int) -> BackfillRun:
        """What the run inserted. `set_aside`: facts that were when it began."""
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    before = await self._depth()
                    run = None
                    with suppress(Unavailable):  # Postgres is away for a moment: flush says so, and tries again too
                        run = await self._ledger.backfill(number)
                    if run is not None and (run.finished or not before.facts):
                        break  # what has left the queue without ending the run was refused
                    await asyncio.sleep(_LOOK)
        except TimeoutError as error:
            raise Unavailable(
                f"run {number} has listed every tenant, but Postgres has not taken all of it in "
                f"{self._patience} s: {(await self._depth()).facts} facts wait in the spool and will be "
                "delivered. Ask again later",
                retry_after=30,
            ) from error
        refused = (await self._depth()).set_aside - set_aside
        if run.finished and not refused:
            return run
        problem = (
            f"{refused} facts were refused by Postgres and are not recorded (ledger.anomalies, kind set_aside, says "
            "why): run a backfill again when the cause is mended"
        )
        if not run.finished:
            raise Unavailable(f"run {number} cannot end: {problem}")
        return replace(run, problems=[*run.problems, problem])
