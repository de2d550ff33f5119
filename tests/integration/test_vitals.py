"""Health and metrics from the parts themselves: a real spool, and a database that nobody answers at."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.attribution import Claims
from sidecar.cluster import Cluster
from sidecar.flush import Flush
from sidecar.ledger import Ledger
from sidecar.metrics import Metrics
from sidecar.recorder import Recorder
from sidecar.settings import Settings
from sidecar.spool import Spool
from sidecar.vitals import Vitals
from sidecar.web.certificate import ServingCertificate

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    async with Spool.open(tmp_path / "spool.db", 2**26) as opened:
        yield opened


@pytest.fixture
async def parts(spool: Spool, tmp_path: Path) -> AsyncIterator[tuple[Vitals, Flush]]:
    config = tmp_path / "kubeconfig"
    config.write_text("{}")
    settings = Settings.from_environment({"DATABASE_URL": NOWHERE, "KUBECONFIG": str(config)})
    ledger = Ledger(NOWHERE)
    flush = Flush(spool, ledger)
    cluster = Cluster.__new__(Cluster)  # never asked here
    recorder = Recorder(settings, spool, ledger, cluster, flush, Claims())
    certificate = ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    yield Vitals(spool, flush, recorder, certificate, Metrics()), flush
    await ledger.close()


async def test_metrics_say_what_is_owed_while_postgres_is_away(parts, spool) -> None:
    vitals, flush = parts
    await spool.append([b'{"fact":"began","cluster_uid":"c","at":"2026-11-22T12:00:00Z"}'])
    assert not await flush.once()
    text = (await vitals.exposition()).decode()
    assert "sidecar_spool_facts 1.0" in text
    age = float(text.split("\nsidecar_spool_oldest_seconds ")[1].split()[0])
    assert 0 < age < 60
    assert await vitals.ailments() == []


async def test_without_a_certificate_the_webhook_cannot_answer(parts) -> None:
    vitals, _ = parts
    (obstacle,) = await vitals.obstacles()
    assert "SIDECAR_TLS_CERT" in obstacle
    assert await vitals.ailments() == []


async def test_a_delivery_that_never_ends_is_an_illness(parts) -> None:
    vitals, flush = parts
    flush.busy_since = time.monotonic() - 301
    (ailment,) = await vitals.ailments()
    assert "delivery" in ailment
