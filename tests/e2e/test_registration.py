"""The webhook's configuration of the manifests, on a real API server that calls what it registers.

It is changed in one point: it names an address of this machine instead of the Service, because there is no Service
network here.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.envtest import Kubernetes
from tests.support.kubectl import Kubectl
from tests.support.manifests import Json, applied, apply
from tests.support.receiver import Receiver
from tests.support.tenants import MERGE, PATH, Answer, Tenants, tenant
from tests.support.truth import LABEL
from tests.support.waiting import until

EXAMPLE = "examples/portal"
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/billing-sidecar"


@pytest.fixture
def kubectl(kubernetes: Kubernetes) -> Iterator[Kubectl]:
    """As an administrator, while the example is applied."""
    kubectl = Kubectl(kubernetes.kubeconfig("admin"))
    with applied(kubectl, EXAMPLE):
        yield kubectl


@pytest.fixture
def receiver(kubernetes: Kubernetes, kubectl: Kubectl) -> Iterator[Receiver]:
    """What the registered webhook calls."""
    receiver = Receiver(kubernetes.ca_file, kubernetes.ca_file.with_name("apiserver.key"))
    ca = base64.b64encode(kubernetes.ca_file.read_bytes()).decode()
    with receiver.serving():
        _point(kubectl, {"url": receiver.url, "caBundle": ca})
        yield receiver


def _point(kubectl: Kubectl, client_config: Json) -> None:
    patch = [{"op": "replace", "path": "/webhooks/0/clientConfig", "value": client_config}]
    kubectl("patch", "validatingwebhookconfiguration", "billing-sidecar", "--type=json", "-p", json.dumps(patch))


@pytest.fixture
async def writes(kubernetes: Kubernetes, receiver: Receiver) -> AsyncIterator["CountedWrites"]:
    """Writes to tenants, while the webhook is registered and its calls are counted."""
    async with aiohttp.ClientSession() as session:
        admin = Tenants(session, kubernetes.url, kubernetes.tokens["admin"], kubernetes.tls())

        async def registered() -> bool:
            await admin.call("POST", body=tenant("probe"), dryRun="All")
            return bool(receiver.reviews)

        await until(registered, "the webhook was never called")
        yield CountedWrites(admin, receiver)


class CountedWrites:
    """One write, and what the webhook was asked because of it: it is called before the write is answered."""

    def __init__(self, admin: Tenants, receiver: Receiver) -> None:
        self.admin = admin
        self._receiver = receiver

    async def patch(self, name: str, body: Json, subresource: str = "") -> list[Json]:
        """The webhook's requests because of a merge patch."""
        return await self._because_of("PATCH", f"{PATH}/{name}{subresource}", body, MERGE)

    async def create(self, body: Json) -> list[Json]:
        return await self._because_of("POST", PATH, body)

    async def delete(self, name: str = "") -> list[Json]:
        """Without a name: the whole collection."""
        return await self._because_of("DELETE", f"{PATH}/{name}" if name else PATH)

    async def _because_of(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> list[Json]:
        self._receiver.reviews.clear()
        answer: Answer = await self.admin.call(method, path, body, content_type=content_type)
        answer.ok()
        return list(self._receiver.reviews)


async def test_the_registered_webhook_is_called_for_what_can_bill_and_for_nothing_else(writes: CountedWrites):
    async def operations(calls: list[Json]) -> list[str]:
        return [call["operation"] for call in calls]

    assert await operations(await writes.create(tenant("acme", "jitsi"))) == ["CREATE"]
    billing = {
        "packages": {"spec": {"packages": ["jitsi", "wiki"]}},
        "suspend": {"spec": {"suspend": True}},
        "another field of the spec": {"spec": {"displayName": "Acme"}},
        "org label added": {"metadata": {"labels": {LABEL: "1"}}},
        "org label changed": {"metadata": {"labels": {LABEL: "2"}}},
        "org label removed": {"metadata": {"labels": {LABEL: None}}},
    }
    for what, patch in billing.items():
        assert await operations(await writes.patch("acme", patch)) == ["UPDATE"], what
    others = {
        "a label": {"metadata": {"labels": {"team": "blue"}}},
        "an annotation": {"metadata": {"annotations": {"note": "x"}}},
        "nothing": {"spec": {"displayName": "Acme"}},
        "a finalizer of a living tenant": {"metadata": {"finalizers": ["example.org/a", "example.org/b"]}},
    }
    for what, patch in others.items():
        assert await writes.patch("acme", patch) == [], what
    assert await writes.patch("acme", {"status": {"phase": "Ready"}}, "/status") == []
    assert await operations(await writes.delete("acme")) == ["DELETE"]
    assert await writes.patch("acme", {"metadata": {"finalizers": ["example.org/b"]}}) == []
    assert await operations(await writes.patch("acme", {"metadata": {"finalizers": None}})) == ["UPDATE"]
    for name in ("one", "two"):
        await writes.create(tenant(name))
    assert await operations(await writes.delete()) == ["DELETE", "DELETE"]


async def test_a_dead_webhook_stops_nobody(kubectl: Kubectl, writes: CountedWrites):
    await asyncio.to_thread(_point, kubectl, {"url": "https://127.0.0.1:1/admission"})

    async def unheard() -> bool:
        return await writes.patch("dead", {"spec": {"displayName": os.urandom(4).hex()}}) == []

    await writes.create(tenant("dead"))
    await until(unheard, "the webhook was called until the end")
    await writes.delete("dead")


def test_the_ca_that_was_put_in_survives_the_next_apply(kubernetes: Kubernetes, kubectl: Kubectl):
    ca = base64.b64encode(kubernetes.ca_file.read_bytes()).decode()
    put_in = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}]
    kubernetes.request("PATCH", WEBHOOK, put_in, content_type="application/json-patch+json")
    apply(kubectl, EXAMPLE)
    assert kubernetes.request("GET", WEBHOOK)["webhooks"][0]["clientConfig"]["caBundle"] == ca
