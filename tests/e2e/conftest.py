"""Real parts for the end-to-end tests: a kube-apiserver with its etcd for each module, and the sidecar."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.envtest import Kubernetes, running_kubernetes
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import sidecar
from tests.support.stage import Stage
from tests.support.tenants import PATH, Tenants


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A real API server with the PiecedTenant definition; its tests share it, and may restart it."""
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    with running_kubernetes(folder) as running:
        yield running


@pytest.fixture
async def stage(kubernetes: Kubernetes, database: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A sidecar with the least rights, not started, between that API server and an empty database."""
    config = kubernetes.kubeconfig("sidecar")
    async with sidecar(tmp_path, config, database) as process, aiohttp.ClientSession() as session:
        admin = Tenants(session, kubernetes.url, kubernetes.tokens["admin"], kubernetes.tls())
        stage = Stage(kubernetes, LedgerReader(database), process, admin)
        yield stage
        await stage.answered(200)
        for left in (await admin.list())["items"]:
            name = left["metadata"]["name"]
            await admin.merge(name, {"metadata": {"finalizers": None}})
            await admin.call("DELETE", f"{PATH}/{name}")  # gone already, if its deletion was only held up
