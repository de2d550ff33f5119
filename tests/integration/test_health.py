"""/healthz and /readyz as kubelet asks them, of a sidecar that runs: what is an illness, and what is only a pity."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from sidecar.demo.apiserver import Store, kubeconfig, serving
from sidecar.demo.postgres import embedded_postgres
from tests.support.issued import SecretVolume, new_pair
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.tenants import Tenants

pytestmark = pytest.mark.timeout(300)

_PROBE_SECONDS = 2.0  # `timeoutSeconds` of the probes in manifests/

WELL = (200, "")


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server's data (not below tmp_path, which other users cannot enter)."""
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as folder:
        yield Path(folder)


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[Tenants]:
    async with serving(Store(history=100_000)) as url, aiohttp.ClientSession() as session:
        (tmp_path / "kubeconfig").write_text(kubeconfig(url))
        yield Tenants(session, url, "alice")


def certificate(folder: Path) -> dict[str, str]:
    volume = SecretVolume(folder / "tls")
    volume.put(new_pair())
    return {"SIDECAR_TLS_CERT": str(volume.certificate), "SIDECAR_TLS_KEY": str(volume.key)}


async def probed(made: Sidecar, path: str) -> tuple[int, str] | None:
    """Status, and what is wrong; None: no answer in the time that kubelet waits."""
    port = (await made.logged("started"))["http_port"]
    timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{port}/{path}") as answer,
        ):
            return answer.status, (await answer.json()).get("detail", "")
    except TimeoutError:
        return None


async def becomes(made: Sidecar, path: str, status: int) -> str:
    """Wait until a probe is answered with this status; what it says is wrong."""

    async def answered() -> tuple[int, str] | None:
        found = await probed(made, path)
        return found if found is not None and found[0] == status else None

    return (await made.while_running(answered, f"/{path} never answered {status}"))[1]


async def test_a_full_spool_while_postgres_is_away_makes_it_unready_and_never_ill(
    tmp_path: Path, tenants: Tenants, postgres_folder: Path
) -> None:
    with embedded_postgres(postgres_folder) as address:
        pass  # its address, and an empty database
    settings = {"SIDECAR_SPOOL_MAX_MB": "32", **certificate(tmp_path)}
    async with sidecar(tmp_path, tmp_path / "kubeconfig", address, **settings) as made:
        made.start()
        await made.logged("watch_opened")
        await becomes(made, "readyz", 200)
        assert await probed(made, "healthz") == WELL
        many = [f"{'p' * 240}-{number}" for number in range(499)]  # some 120 KB a change
        await tenants.create("acme", *many)
        pause = asyncio.create_task(made.logged("watch_paused"))
        changes = 0
        while not pause.done():
            changes += 1
            await tenants.merge("acme", {"spec": {"packages": [*many, "odd"][: 499 + changes % 2]}})
        assert "its limit is reached" in await becomes(made, "readyz", 503)
        assert await probed(made, "healthz") == WELL
        with embedded_postgres(postgres_folder):
            await becomes(made, "readyz", 200)
            assert await probed(made, "healthz") == WELL
            ledger = LedgerReader(address)
            await ledger.delivered(int(await tenants.version()), made.tail)
            assert await ledger.value("SELECT count(*) FROM ledger.observations") == 1 + changes
            await made.stop()


@pytest.mark.usefixtures("tenants")
async def test_a_process_that_hangs_answers_no_probe(tmp_path: Path, database: str) -> None:
    async with sidecar(tmp_path, tmp_path / "kubeconfig", database) as made:
        made.start()
        await made.logged("watch_opened")
        assert await probed(made, "healthz") == WELL
        os.kill(made.process_id, signal.SIGSTOP)
        assert await probed(made, "healthz") is None
        os.kill(made.process_id, signal.SIGCONT)
        assert await becomes(made, "healthz", 200) == ""
        await made.stop()
