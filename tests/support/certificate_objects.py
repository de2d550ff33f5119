"""The Secrets and the webhook configuration of one cluster in memory: versions are checked, as an API server does."""

import copy
import types
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import msgspec
from cryptography.x509 import Certificate

from sidecar.answers import Answered
from sidecar.certificates import layout
from sidecar.certificates.issuing import signed_by, valid_at
from sidecar.certificates.renewal import Held
from sidecar.cluster import Registration, StoredSecret


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Whoever drives the coroutine decides when it goes on, and whether."""
    yield


class CertificateObjects:
    """Each call is two turns: before it counts, and before its answer arrives."""

    def __init__(self, webhooks: int | None = 2) -> None:
        """`webhooks`: in the configuration; None: there is no configuration."""
        self.secrets: dict[str, dict[str, Any]] = {}
        self.webhooks = None if webhooks is None else {f"w{n}": b"" for n in range(webhooks)}
        self.writes = 0
        self.written: Callable[[], None] = lambda: None
        self._configuration_version = 0
        self.presented: list[Certificate] = []
        """Every serving certificate that the Secret has ever held: the pods may present each of them."""

    def held(self) -> Held:
        data = [self.secrets.get(name, {}).get("data", {}) for name in ("tls-ca", "tls")]
        return layout.read(*data, None if self.webhooks is None else list(self.webhooks.values()))

    def untrusted(self, now: datetime) -> list[Certificate]:
        """Certificates that are valid and were presented, but are not trusted by every webhook."""
        bundles = self.held().trusted or ()
        return [
            each
            for each in self.presented
            if valid_at(each, now)
            and not all(any(signed_by(each, ca) and valid_at(ca, now) for ca in bundle) for bundle in bundles)
        ]

    async def secret(self, name: str) -> StoredSecret | None:
        await _turn()
        found = copy.deepcopy(self.secrets.get(name))
        await _turn()
        return None if found is None else msgspec.convert(found, StoredSecret)

    async def create_secret(self, name: str, kind: str, labels: dict[str, str], data: dict[str, bytes]) -> None:
        await _turn()
        if name in self.secrets:
            raise Answered("AlreadyExists", status=409)
        self.secrets[name] = {"metadata": {}, "type": kind, "data": {}}
        self._set(name, labels, data)
        await _turn()

    async def change_secret(
        self, name: str, secret: StoredSecret, labels: dict[str, str], data: dict[str, bytes]
    ) -> None:
        await _turn()
        if name not in self.secrets:
            raise Answered("NotFound", status=404)
        if self.secrets[name]["metadata"]["resourceVersion"] != secret.metadata.resource_version:
            raise Answered("Conflict", status=409)
        self._set(name, labels, data)
        await _turn()

    async def registration(self, _: str) -> Registration | None:
        await _turn()
        found = None
        if self.webhooks is not None:
            webhooks = [{"name": name, "clientConfig": {"caBundle": ca}} for name, ca in self.webhooks.items()]
            metadata = {"resourceVersion": str(self._configuration_version)}
            found = msgspec.convert({"metadata": metadata, "webhooks": webhooks}, Registration)
        await _turn()
        return found

    async def trust(self, _: str, registration: Registration, ca_bundle: bytes) -> None:
        await _turn()
        if registration.metadata.resource_version != str(self._configuration_version):
            raise Answered("Conflict", status=409)
        self.webhooks = dict.fromkeys(self.webhooks or (), ca_bundle)
        self._configuration_version += 1
        self._wrote()
        await _turn()

    def _set(self, name: str, labels: dict[str, str], data: dict[str, bytes]) -> None:
        self.secrets[name]["data"] |= data
        self.secrets[name]["metadata"] = {"resourceVersion": str(self.writes), "labels": labels}
        self._wrote()

    def _wrote(self) -> None:
        self.writes += 1
        serving = self.held().serving
        if serving is not None and serving.certificate not in self.presented:
            self.presented.append(serving.certificate)
        self.written()


def driven(run: Any, turns: int | None = None) -> Any:
    """What the coroutine returns; with `turns`, it dies after so many (and returns None) unless it ended before."""
    taken = 0
    while turns is None or taken < turns:
        try:
            run.send(None)
        except StopIteration as ended:
            return ended.value
        taken += 1
    run.close()
    return None
