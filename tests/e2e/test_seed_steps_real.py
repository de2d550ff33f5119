"""The acceptance steps on a real API server, with kubectl."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.assets import asset
from tests.support.envtest import Kubernetes
from tests.support.seed import Stage, empty_database, tenant
from tests.support.seed_steps import BEFORE, SeedSteps


class KubectlTenants:
    """Tenants by kubectl."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubectl = [asset("kubectl"), f"--kubeconfig={kubeconfig}", f"--cache-dir={kubeconfig.parent / 'cache'}"]

    def create(self, name: str, *packages: str) -> None:
        self._said("create", "-f", "-", given=json.dumps(tenant(name, *packages)))

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        self._said("patch", "piecedtenant", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def delete(self, name: str) -> None:
        self._said("delete", "piecedtenant", name)

    def packages(self) -> dict[str, list[str]]:
        path = '{range .items[*]}{.metadata.name}{": "}{.spec.packages}{"\\n"}{end}'
        lines = self._said("get", "piecedtenants", "-o", f"jsonpath={path}").splitlines()
        return {name: json.loads(packages) for name, packages in (line.split(": ", 1) for line in lines)}

    def _said(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [*self._kubectl, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stage(kubernetes: Kubernetes, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with empty_database(postgres_server) as database:
        tenants = KubectlTenants(kubernetes.kubeconfig("admin"))
        for name, packages in BEFORE.items():
            tenants.create(name, *packages)
        stage = Stage(tmp_path_factory.mktemp("seed"), kubernetes.kubeconfig("sidecar"), database, tenants)
        stage.let_the_second_end()
        try:
            stage.start()
            yield stage
        finally:
            stage.stop()


@pytest.fixture(scope="module")
def backfills(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers of the first and the second backfill."""
    return stage.curl("POST", "/backfill"), stage.curl("POST", "/backfill")


class TestSeedSteps(SeedSteps):
    """The steps on the real server."""
