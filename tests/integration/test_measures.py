"""/metrics of the running sidecar: every number that the code knows how to read, in a form that Prometheus takes."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import Metric, parser

from sidecar.demo.apiserver import Store, kubeconfig, serving
from sidecar.measures import _VERSION, MEASURES
from sidecar.metrics import CONTENT_TYPE
from tests.support.issued import SecretVolume, new_pair
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.tenants import Tenants

pytestmark = pytest.mark.timeout(300)

ORG = {"pieced.ch/zitadel-org-id": "org-1"}


class Scraped:
    """One scrape's families."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {f.name: f for f in parser.text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """The one sample of that name and these labels."""
        (found,) = (s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())
        return found


async def scrape(made: Sidecar) -> Scraped:
    port = (await made.logged("started"))["http_port"]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return Scraped(await answer.text())


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[Tenants]:
    async with serving(Store(history=10_000)) as url, aiohttp.ClientSession() as session:
        (tmp_path / "kubeconfig").write_text(kubeconfig(url))
        yield Tenants(session, url, "alice")


async def test_a_running_sidecar_exposes_exactly_the_table(tmp_path: Path, tenants: Tenants, database: str) -> None:
    volume = SecretVolume(tmp_path / "tls")
    pair = new_pair()
    volume.put(pair)
    files = {"SIDECAR_TLS_CERT": str(volume.certificate), "SIDECAR_TLS_KEY": str(volume.key)}
    async with sidecar(tmp_path, tmp_path / "kubeconfig", database, **files) as made:
        made.start()
        await made.logged("watch_opened")
        await made.logged("certificate_loaded")
        await tenants.create("acme", "jitsi", labels=ORG)
        await tenants.merge("acme", {"spec": {"packages": ["jitsi", "wiki"]}})
        await LedgerReader(database).delivered(int(await tenants.version()), made.tail)

        async def settled() -> Scraped | None:
            found = await scrape(made)
            counted = any(sample.name == "sidecar_ledger_counted_timestamp_seconds" for sample in found.samples)
            return found if counted and found.of("sidecar_spool_facts") == 0 else None

        found = await made.while_running(settled, "it never counted what the ledger lacks")
        await made.stop()
    # The parser names a counter without its `_total`.
    assert {(f.name, f.type, f.documentation) for f in found.families.values()} == {
        (each.name.removesuffix("_total"), each.kind, each.says) for each in MEASURES
    }
    for each in MEASURES:
        (family,) = (f for f in found.families.values() if f.name == each.name.removesuffix("_total"))
        assert {label for sample in family.samples for label in sample.labels} <= {*each.labels, "le"}
    assert found.of("sidecar_build_info", version=_VERSION) == 1
    assert found.of("sidecar_facts_total", source="watch", kind="seen") == 2
    assert found.of("sidecar_flush_facts_total") >= 2
    assert found.of("sidecar_flush_batches_total", outcome="delivered") == found.of("sidecar_flush_seconds_count") >= 1
    assert found.of("sidecar_watch_connected") == 1
    assert found.of("sidecar_watch_lists_total") == 1
    assert found.of("sidecar_watch_checks_total") == 0
    assert 0 <= found.of("sidecar_watch_signal_age_seconds") < 60
    assert found.of("sidecar_watch_restarts_total", reason="silent") == 0
    assert found.of("sidecar_ledger_missing_generations") == 0
    assert found.of("sidecar_ledger_anomalies", kind="diverged") == 0
    assert found.of("sidecar_spool_limit_bytes") == 1024 * 2**20
    expires_at = pair.serving.certificate.not_valid_after_utc.timestamp()
    assert found.of("sidecar_certificate_expiry_timestamp_seconds") == expires_at
    assert "acme" not in str(found.samples)
