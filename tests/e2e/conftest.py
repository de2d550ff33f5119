"""Real parts for the end-to-end tests: a kube-apiserver with its etcd for each module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.envtest import Kubernetes, running_kubernetes


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A real API server with the PiecedTenant definition; its tests share it, and may restart it."""
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    with running_kubernetes(folder) as running:
        yield running
