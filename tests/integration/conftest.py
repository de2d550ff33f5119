"""What most of these tests share: the kubeconfig is read in the test's own process."""

import os
from pathlib import Path

import pytest

from sidecar.cluster.reading import Reading, Unreadable


@pytest.fixture(autouse=True)
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reading without a process of its own: two seconds less for each connection to a cluster.

    That process has tests of its own (test_access.py), and every sidecar that a test starts uses it.
    """

    async def read(kubeconfig: Path | None) -> Reading:
        from sidecar.cluster import configuration

        try:
            return await configuration.read(None if kubeconfig is None else os.fspath(kubeconfig))
        except Exception as error:
            raise Unreadable(str(error)) from error

    monkeypatch.setattr("sidecar.cluster.access.read_apart", read)
