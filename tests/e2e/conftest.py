"""Real parts for the end-to-end tests: a kube-apiserver with its etcd for each module, and the sidecar."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.envtest import Kubernetes, running_kubernetes
from tests.support.ledger_reader import LedgerReader
from tests.support.registration import Hooks, hooks
from tests.support.sidecar_process import sidecar
from tests.support.stage import Stage
from tests.support.tenants import PATH, Tenants
from tests.support.told_stage import ToldStage


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A real API server with the PiecedTenant definition; its tests share it, and may restart it."""
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    with running_kubernetes(folder) as running:
        yield running


@pytest.fixture
async def stage(kubernetes: Kubernetes, database: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A sidecar with the least rights, not started, between that API server and an empty database."""
    async with _staged(kubernetes, database, tmp_path) as stage:
        yield stage


@dataclass(frozen=True)
class Telling:
    """An API server that tells of each write, and where."""

    kubernetes: Kubernetes
    hooks: Hooks


@pytest.fixture(scope="session")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telling]:
    """A real API server with the sidecar registered as its webhook and as the backend of its audit log.

    Its tests share it, and may restart it. The sidecar of each test listens where the one before did, so what is left
    of one test's audit log may come in the next: what they ask is about their own tenants.
    """
    made = hooks(tmp_path_factory.mktemp("hooks"))
    with running_kubernetes(tmp_path_factory.mktemp("telling"), made.flags()) as running:
        running.register(made.webhook)
        yield Telling(running, made)


@pytest.fixture
async def told(telling: Telling, database: str, tmp_path: Path) -> AsyncIterator[ToldStage]:
    """A sidecar that such an API server tells of each write; not started."""
    settings = telling.hooks.settings()
    async with _staged(telling.kubernetes, database, tmp_path, **settings) as stage:
        yield ToldStage(stage.kubernetes, stage.ledger, stage.sidecar, stage.admin, telling.hooks)


@asynccontextmanager
async def _staged(kubernetes: Kubernetes, database: str, folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """The parts, and at the end an API server without tenants."""
    config = kubernetes.kubeconfig("sidecar")
    async with sidecar(folder, config, database, **settings) as process, aiohttp.ClientSession() as session:
        admin = Tenants(session, kubernetes.url, kubernetes.tokens["admin"], kubernetes.tls())
        stage = Stage(kubernetes, LedgerReader(database), process, admin)
        yield stage
        process.abandon()  # or it would be asked about each of the following, and might hang
        await stage.answered(200)
        for left in (await admin.list())["items"]:
            name = left["metadata"]["name"]
            await admin.merge(name, {"metadata": {"finalizers": None}})
            await admin.call("DELETE", f"{PATH}/{name}")  # gone already, if its deletion was only held up
