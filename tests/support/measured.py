"""The parts that are measured, as the running sidecar has them: a real spool, and a database that nobody answers at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sidecar.billing import Database
from sidecar.cluster import Cluster
from sidecar.ledger import Ledger
from sidecar.measures import Measured
from sidecar.service import _measured
from sidecar.settings import Settings
from sidecar.spool import Spool

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


@asynccontextmanager
async def measured(folder: Path, **settings: Any) -> AsyncIterator[Measured]:
    """Nothing of it runs; its cluster is never asked."""
    config = folder / "kubeconfig"
    config.write_text("{}")
    given = {"DATABASE_URL": NOWHERE, "KUBECONFIG": str(config), "SIDECAR_SPOOL": str(folder / "spool.db")}
    given |= {"SIDECAR_TLS_CERT": str(folder / "tls.crt"), "SIDECAR_TLS_KEY": str(folder / "tls.key"), **settings}
    read = Settings.from_environment(given)
    address = read.database_url.reveal()
    ledger = Ledger(address)
    async with Spool.open(read.spool, read.spool_max_bytes) as spool, Database.opened(address) as database:
        try:
            yield _measured(read, spool, ledger, Cluster.__new__(Cluster), database)
        finally:
            await ledger.close()
