"""The real kube-apiserver passes the suite that the demo's API server is held to."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from sidecar.demo.apiserver import Store, Webhook, serving
from tests.support.conformance import Api, Conformance
from tests.support.envtest import Kubernetes
from tests.support.receiver import Receiver
from tests.support.tenants import JSON_PATCH, PATH, Tenants, tenant


@pytest.fixture(scope="module")
def receiver(kubernetes: Kubernetes) -> Iterator[Receiver]:
    """A webhook that the API server calls for every write, as the sidecar's is registered, over TLS."""
    certificate = kubernetes.ca_file  # made for 127.0.0.1, with its CA behind it: it serves the webhook as well
    receiver = Receiver(certificate, certificate.with_name("apiserver.key"))
    rule = {
        "apiGroups": ["pieced.ch"],
        "apiVersions": ["*"],
        "resources": ["piecedtenants"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
    }
    webhook = {
        "name": "billing.pieced.ch",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "url": receiver.url,
            "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
        },
        "rules": [rule],
        "matchPolicy": "Equivalent",
        "failurePolicy": "Ignore",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 1,
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "billing"},
        "webhooks": [webhook],
    }
    with receiver.serving():
        kubernetes.request(
            "POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", configuration
        )
        _wait_until_called(kubernetes, receiver)
        yield receiver


def _wait_until_called(kubernetes: Kubernetes, receiver: Receiver) -> None:
    """The server learns of a registration a moment after it was stored; a dry run shows when."""
    deadline = time.monotonic() + 30
    while not receiver.reviews:
        assert time.monotonic() < deadline, "the API server never called the webhook"
        kubernetes.request("POST", f"{PATH}?dryRun=All", tenant("probe"))


@pytest.fixture
async def api(kubernetes: Kubernetes, receiver: Receiver) -> AsyncIterator[Api]:
    tls = kubernetes.tls()

    async def forget() -> None:
        await asyncio.to_thread(kubernetes.compact_etcd)
        await asyncio.to_thread(kubernetes.restart_apiserver)
        await asyncio.to_thread(_wait_until_called, kubernetes, receiver)

    async with aiohttp.ClientSession() as session:
        admin, alice = (Tenants(session, kubernetes.url, kubernetes.tokens[user], tls) for user in ("admin", "alice"))
        receiver.reviews.clear()
        yield Api(admin, alice, receiver.reviews, forget)
        for left in (await admin.list())["items"]:
            name = left["metadata"]["name"]
            await admin.merge(name, {"metadata": {"finalizers": None}})
            await admin.call("DELETE", f"{PATH}/{name}")  # gone already, if deletion was only held up


class TestKubernetes(Conformance):
    """The suite on a real kube-apiserver and etcd."""

    async def test_a_default_added_to_the_definition_changes_content_under_an_unchanged_version(
        self, api: Api, kubernetes: Kubernetes
    ):
        body = {**tenant("acme"), "spec": {}}
        created = (await api.tenants.call("POST", body=body)).ok()
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            with _default(kubernetes, "packages", ["base"]):
                async with asyncio.timeout(30):
                    while (changed := await api.tenants.get("acme"))["spec"] == {}:
                        continue
            marker = await api.tenants.create("marker")
            # Depending on when the server replaced its storage, the stream goes on or has ended: no MODIFIED.
            event = await watch.next()
        assert changed == {**created, "spec": {"packages": ["base"]}}
        assert event is None or event["object"]["metadata"]["uid"] == marker["metadata"]["uid"]


@contextmanager
def _default(kubernetes: Kubernetes, field: str, value: object) -> Iterator[None]:
    """While the block lasts, the definition gives `spec.FIELD` a default."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/piecedtenants.pieced.ch"
    where = f"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{field}/default"
    add = [{"op": "add", "path": where, "value": value}]
    kubernetes.request("PATCH", path, add, content_type=JSON_PATCH)
    try:
        yield
    finally:
        kubernetes.request("PATCH", path, [{"op": "remove", "path": where}], content_type=JSON_PATCH)
        kubernetes.wait_until_served()


async def test_the_demo_server_too_calls_a_webhook_over_tls_that_its_ca_has_signed(
    kubernetes: Kubernetes, receiver: Receiver
):
    receiver.reviews.clear()
    hook = Webhook(receiver.url, kubernetes.ca_file)
    async with serving(Store(history=10), webhooks=[hook]) as url, aiohttp.ClientSession() as session:
        created = await Tenants(session, url, "alice").create("acme")
    assert [review["object"]["metadata"]["uid"] for review in receiver.reviews] == [created["metadata"]["uid"]]
