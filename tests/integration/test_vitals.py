"""Health and metrics from the parts themselves: a real spool, and a database that nobody answers at."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.attribution import Claims
from sidecar.cluster import Cluster
from sidecar.errors import SpoolFull
from sidecar.flush import Flush
from sidecar.ledger import Ledger
from sidecar.metrics import Metrics
from sidecar.recorder import Recorder
from sidecar.settings import Settings
from sidecar.spool import Spool
from sidecar.vitals import Vitals
from sidecar.watch import Standing
from sidecar.watch.situations import Listing
from sidecar.web.certificate import ServingCertificate

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def no_certificate(folder: Path) -> ServingCertificate:
    return ServingCertificate(folder / "tls.crt", folder / "tls.key")


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
    yield Vitals(spool, flush, recorder, no_certificate(tmp_path), Metrics()), flush
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


class Watched(Recorder):
    """A recorder whose watch stands where a test says."""

    def __init__(self) -> None:
        self.stands = Standing(Listing(None, "first"))

    @property
    def standing(self) -> Standing:
        return self.stands


async def test_a_watch_whose_loops_stand_still_is_an_illness_unless_the_spool_is_full(spool, parts, tmp_path) -> None:
    _, flush = parts
    recorder = Watched()
    vitals = Vitals(spool, flush, recorder, no_certificate(tmp_path), Metrics())
    assert await vitals.ailments() == []
    recorder.stands.turned_at -= 181
    (ailment,) = await vitals.ailments()
    assert "the watch has not turned for 18" in ailment
    recorder.stands.paused = True  # it waits for room, which a restart would not bring
    assert await vitals.ailments() == []


async def test_a_full_spool_is_an_obstacle_and_no_illness(tmp_path, parts) -> None:
    _, flush = parts
    async with Spool.open(tmp_path / "small.db", 2**18) as small:
        vitals = Vitals(small, flush, Watched(), no_certificate(tmp_path), Metrics())
        with pytest.raises(SpoolFull):
            await small.append([b"x" * 2**19])
        full = "the spool takes nothing: its disk is full, or its limit is reached"
        assert full in await vitals.obstacles()
        await small.append([b"x"])
        assert full not in await vitals.obstacles()
