"""The acceptance steps on the demo's API server: everything real but that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.seed import HttpTenants, Stage, demo_api_server, empty_database
from tests.support.seed_steps import BEFORE, SeedSteps


@pytest.fixture(scope="module")
def stage(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("seed")
    with empty_database(postgres_server) as database, demo_api_server(folder) as (url, kubeconfig):
        stage = Stage(folder, kubeconfig, database, HttpTenants(url))
        for name, packages in BEFORE.items():
            stage.tenants.create(name, *packages)
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
    """The steps on the demo's server."""
