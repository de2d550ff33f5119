"""The stand-in API server for a sidecar that is a process, and a story of one tenant that is easy to check."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from sidecar.demo.apiserver import Store, Webhook, kubeconfig, serving
from sidecar.spool import Spool
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Sidecar
from tests.support.tenants import Tenants

ORG = {"pieced.ch/zitadel-org-id": "org-1"}

_EVENTS = "SELECT tenant_name, generation, skill_id, event_kind FROM {}.{} ORDER BY 1, 2, 3"


class Cluster:
    """The stand-in, its kubeconfig, and one person's view of it."""

    def __init__(self, config: Path, tenants: Tenants) -> None:
        self.config = config
        self.tenants = tenants

    async def create(self, name: str, *packages: str) -> None:
        await self.tenants.create(name, *packages, labels=ORG)

    async def packages(self, name: str, *packages: str) -> None:
        await self.tenants.merge(name, {"spec": {"packages": list(packages)}})

    async def version(self) -> int:
        return int(await self.tenants.version())


@asynccontextmanager
async def stand_in(folder: Path, webhooks: Sequence[Webhook] = ()) -> AsyncIterator[Cluster]:
    """The server, until the block ends; its kubeconfig is in `folder`."""
    async with serving(Store(history=10_000), webhooks=webhooks) as url, aiohttp.ClientSession() as session:
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(url))
        yield Cluster(config, Tenants(session, url, "alice"))


async def watched(made: Sidecar, ledger: LedgerReader) -> None:
    """What is created from now on is news to this sidecar, and the ledger knows since when it watches."""
    await made.logged("watch_opened")
    await ledger.until("SELECT started_at IS NOT NULL FROM ledger.history", why=made.tail)


async def owed(spool: Path) -> int:
    async with Spool.open(spool, 2**28) as opened:
        return (await opened.depth()).facts


async def events(ledger: LedgerReader, schema: str = "ledger") -> list[tuple]:
    table = "skill_events" if schema == "ledger" else "tenant_skill_events"
    return [tuple(row.values()) for row in await ledger.rows(_EVENTS.format(schema, table))]


async def complete(running: Sidecar) -> None:
    ended = await running.command("verify")
    assert ended.code == 0, ended.output + ended.errors
    assert "every row follows from its facts; complete: nothing is missing" in ended.output


def toggled(count: int) -> list[tuple]:
    """The events of `acme` that is created with jitsi and then has wiki switched on and off, `count` times."""
    return [
        ("acme", 1, "jitsi", "enabled"),
        *(("acme", 2 + n, "wiki", ("enabled", "disabled")[n % 2]) for n in range(count)),
    ]


async def toggle(cluster: Cluster, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        await cluster.packages("acme", "jitsi", *(() if n % 2 else ("wiki",)))
