"""A watch on a scripted server and a real spool, and what a test may wait for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sidecar.cluster import Cluster
from sidecar.facts import Anomaly, AnyFact, encode
from sidecar.spool import Spool
from sidecar.watch import Watch
from tests.support.scripted import CLUSTER, LABEL, PATIENCE, Server, kubeconfig


def nobody(*_: object) -> tuple[()]:
    """No claim waits for any change."""
    return ()


class Recorder:
    """`append` as the watch gets it: into the spool, and remembered. `refuse`: errors to raise first."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.facts: list[AnyFact] = []
        self.appends: list[tuple[list[AnyFact], dict[str, bytes | None], bytes | None]] = []
        self.refuse: list[Exception] = []
        self.refused = 0
        self.blocked: asyncio.Event | None = None  # an append waits for it, as on a slow disk
        self._changed = asyncio.Condition()

    async def append(
        self, facts: Sequence[AnyFact], tenants: Mapping[str, bytes | None], position: bytes | None
    ) -> None:
        if self.blocked is not None:
            await self.blocked.wait()
        async with self._changed:
            if self.refuse:
                self.refused += 1
                self._changed.notify_all()
                raise self.refuse.pop(0)
            await self.spool.append([encode(fact) for fact in facts], tenants, position)
            self.facts += facts
            self.appends.append((list(facts), dict(tenants), position))
            self._changed.notify_all()

    def of(self, shape: type[Any], /, **fields: Any) -> list[Any]:
        """The facts of one type so far whose fields have these values."""
        return [
            fact
            for fact in self.facts
            if isinstance(fact, shape) and all(getattr(fact, name) == value for name, value in fields.items())
        ]

    def anomalies(self, kind: str) -> list[Anomaly]:
        return self.of(Anomaly, kind=kind)

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until an append makes this true."""
        async with asyncio.timeout(PATIENCE), self._changed:
            return await self._changed.wait_for(holds)

    async def told(self, shape: type[Any], /, **fields: Any) -> Any:
        """The first such fact, as soon as there is one."""
        return (await self.until(lambda: self.of(shape, **fields)))[0]


async def becomes(holds: Callable[[], Any]) -> None:
    """Wait until this is true of a watch that runs; it tells nobody, so it is looked at."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - product code has no event for tests to wait for
            await asyncio.sleep(0.005)


async def caught_up(watch: Watch) -> None:
    """Wait until the LIST sent after the opening of the stream, or after a stall, has been answered."""
    await becomes(lambda: getattr(watch.standing.situation, "live_above", None) is not None)


@asynccontextmanager
async def spool_in(folder: Path) -> AsyncIterator[Recorder]:
    async with Spool.open(folder / "spool.db", 2**28) as spool:
        yield Recorder(spool)


@asynccontextmanager
async def watching(
    server: Server,
    folder: Path,
    recorder: Recorder,
    *,
    delivered: tuple[str, datetime] | None = None,
    resync_seconds: float = 3600.0,
) -> AsyncIterator[Watch]:
    """A watch that runs, from what the spool holds; ended as a killed process ends it: at once, anywhere."""
    kept = await recorder.spool.kept()
    config = kubeconfig(folder, server.url)
    async with Cluster.connect(config, "pieced.ch", "v1alpha1", "piecedtenants") as cluster:
        watch = Watch(
            cluster,
            recorder.append,
            cluster_uid=CLUSTER,
            org_label=LABEL,
            resync_seconds=resync_seconds,
            start=kept.position,
            known=kept.tenants,
            delivered=delivered,
            attribute=nobody,
        )
        task = asyncio.create_task(watch.run())
        try:
            yield watch
        finally:
            failed = task.done()
            task.cancel()
            await asyncio.wait({task})
            if failed:
                task.result()  # an error that ended it fails the test
