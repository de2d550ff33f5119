"""How it shows that the API server went without us: in its own metrics, and in its audit log."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.attempts import WEBHOOK
from sidecar.audit import Resource, Told, read
from tests.support.envtest import TENANTS, Kubernetes, running_kubernetes
from tests.support.manifests import MANIFESTS, collection, of_kind, rendered
from tests.support.tenants import MERGE, tenant
from tests.support.waiting import until

POLICY = MANIFESTS / "components" / "audit" / "control-plane" / "policy.yaml"
RESOURCE = Resource("pieced.ch", "v1alpha1", "piecedtenants", "pieced.ch/zitadel-org-id")
DEAD = {"url": "https://127.0.0.1:1/admission"}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Kubernetes]:
    """An API server that writes an audit log, and whose webhook does not answer."""
    flags = [f"--audit-policy-file={POLICY}", f"--audit-log-path={tmp_path / 'audit.log'}"]
    (tmp_path / "kubernetes").mkdir()
    with running_kubernetes(tmp_path / "kubernetes", flags) as kubernetes:
        body: Any = of_kind(rendered("base"), "ValidatingWebhookConfiguration", "billing-sidecar")
        body["webhooks"][0]["clientConfig"] = DEAD
        kubernetes.request("POST", collection(body), body)
        yield kubernetes


def counted(metrics: str) -> float:
    """The API server's own number, under the name that the alert asks for."""
    found = re.search(
        rf'^apiserver_admission_webhook_fail_open_count{{name="{re.escape(WEBHOOK)}",.*?}} (\S+)$',
        metrics,
        re.MULTILINE,
    )
    return float(found[1]) if found else 0.0


async def test_a_webhook_that_is_away_is_counted_by_the_api_server_and_told_by_its_audit_log(
    alone: Kubernetes, tmp_path: Path
):
    alone.request("POST", TENANTS, tenant("acme", "jitsi"))

    async def failed_open() -> bool:
        change = {"spec": {"displayName": os.urandom(4).hex()}}
        await asyncio.to_thread(alone.request, "PATCH", f"{TENANTS}/acme", change, content_type=MERGE)
        return any(read(line, RESOURCE).failed_open for line in (tmp_path / "audit.log").read_bytes().splitlines())

    await until(failed_open, "no audit event says that the webhook failed open")
    told = [read(line, RESOURCE) for line in (tmp_path / "audit.log").read_bytes().splitlines()]
    assert all(isinstance(each, Told) for each in told if each.failed_open)
    assert counted(await asyncio.to_thread(alone.metrics)) == sum(each.failed_open for each in told)
