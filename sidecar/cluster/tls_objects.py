"""What the cluster keeps about the certificates of a webhook: Secrets, and the caBundles of its registration.

The answers hold private keys: no body is ever logged or put into an error here.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from sidecar.answers import UNDECODABLE, Answered
from sidecar.cluster.requests import Requests
from sidecar.errors import Unavailable

# Bytes of an answer: etcd takes an object of 1.5 MiB by default, and base64 is within that.
_ANSWER_MOST = 4 * 2**20

# Seconds for a write: the API server gives up after 34, its own limit for admission of a write.
_SECONDS = 40.0

_REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

T = TypeVar("T", bound=msgspec.Struct)


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str
    labels: dict[str, str] = {}


class StoredSecret(msgspec.Struct):
    """A Secret as it was read."""

    metadata: _Meta
    type: str = ""
    data: dict[str, bytes] | None = None  # base64 in the JSON


class _ClientConfig(msgspec.Struct, rename="camel"):
    ca_bundle: bytes = b""


class _Webhook(msgspec.Struct, rename="camel"):
    name: str
    client_config: _ClientConfig


class Registration(msgspec.Struct):
    """A ValidatingWebhookConfiguration as it was read."""

    metadata: _Meta
    webhooks: list[_Webhook] | None = None

    def ca_bundles(self) -> list[bytes]:
        """By which certificates (PEM) the API server knows each of its webhooks."""
        return [each.client_config.ca_bundle for each in self.webhooks or []]


class TlsObjects:
    """Made by `connect`. A write that is based on a state which is not the newest raises `Answered`, status 409."""

    def __init__(self, requests: Requests, namespace: str) -> None:
        self._requests = requests
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path | None, namespace: str) -> AsyncIterator[Self]:
        """To the Secrets of that namespace. `kubeconfig` None: the pod's own. Raises `Misconfigured`."""
        async with Requests.opened(kubeconfig) as requests:
            yield cls(requests, namespace)

    async def secret(self, name: str) -> StoredSecret | None:
        """The Secret, or None if there is none. Raises `Answered`, `Unavailable`."""
        return await self._get(f"{self._secrets}/{name}", StoredSecret, f"get Secret {name}")

    async def create_secret(self, name: str, kind: str, labels: Mapping[str, str], data: Mapping[str, bytes]) -> None:
        """A Secret of type `kind`. Raises as above, with status 409 if there is one of that name."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "type": kind,
            "data": data,
        }
        await self._requests.post(
            self._secrets, msgspec.json.encode(body), f"create Secret {name}", _ANSWER_MOST, _SECONDS
        )

    async def change_secret(
        self, name: str, secret: StoredSecret, labels: Mapping[str, str], data: Mapping[str, bytes]
    ) -> None:
        """Sets these labels and data and leaves the others, if nobody has changed it since. Raises as above."""
        body = {
            "metadata": {"resourceVersion": secret.metadata.resource_version, "labels": labels},
            "data": data,
        }
        await self._patch(f"{self._secrets}/{name}", body, "application/merge-patch+json", f"change Secret {name}")

    async def registration(self, name: str) -> Registration | None:
        """The webhook configuration, or None if there is none. Raises as `secret`."""
        what = f"get ValidatingWebhookConfiguration {name}"
        return await self._get(f"{_REGISTRATIONS}/{name}", Registration, what)

    async def trust(self, name: str, registration: Registration, ca_bundle: bytes) -> None:
        """Sets the caBundle of each webhook, and nothing else, if nobody has changed it since. Raises as above."""
        body = {
            "metadata": {"resourceVersion": registration.metadata.resource_version},
            # A strategic merge patch finds each webhook by its name.
            "webhooks": [
                {"name": each.name, "clientConfig": {"caBundle": ca_bundle}} for each in registration.webhooks or []
            ],
        }
        await self._patch(
            f"{_REGISTRATIONS}/{name}",
            body,
            "application/strategic-merge-patch+json",
            f"change ValidatingWebhookConfiguration {name}",
        )

    async def _get(self, path: str, shape: type[T], what: str) -> T | None:
        try:
            body, _ = await self._requests.get(path, {}, what)
        except Answered as error:
            if error.status == 404:
                return None
            raise
        try:
            return msgspec.json.decode(body, type=shape)
        except UNDECODABLE:
            # Not `from` the decoder's error: it may quote the answer.
            raise Unavailable(f"{what}: the answer is not what an API server says") from None

    async def _patch(self, path: str, body: dict[str, Any], kind: str, what: str) -> None:
        await self._requests.patch(path, msgspec.json.encode(body), kind, what, _ANSWER_MOST, _SECONDS)
