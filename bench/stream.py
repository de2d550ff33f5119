"""Many tenants as bytes: what a list has, and a watch stream in which every line is a change that bills."""

import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

BASE_VERSION = 1_000_000
"""What a list says before the first line; the lines have the versions that follow, and what is listed those before."""

ORG_LABEL = "pieced.ch/zitadel-org-id"
_TENANTS = 2_000
_PACKAGES = ("jitsi", "nextcloud", "searxng-local-search", "threema")
_CREATED = "2026-11-20T10:00:00Z"
HISTORY_BEGAN = "Thu, 19 Nov 2026 10:00:00 GMT"
"""The Date of the scripted lists: before the tenants were created, so none of them waits for its adoption."""

_random = random.Random(5)  # noqa: S311 - the same stream in every run


@dataclass
class Tenant:
    """A tenant as the stream has shown it last; generation 0: not yet."""

    number: int
    uid: str
    generation: int = 0
    packages: set[str] = field(default_factory=set)

    def toggle(self) -> None:
        """One change: a package more or one less."""
        self.generation += 1
        self.packages ^= {_random.choice(_PACKAGES)}


def listed(count: int) -> list[Tenant]:
    """Tenants with two of four packages and a history of three changes, for `objects` and `lines`."""
    return [Tenant(number, _uid(), generation=3, packages=set(_random.sample(_PACKAGES, 2))) for number in range(count)]


def objects(tenants: Iterable[Tenant]) -> Iterator[bytes]:
    """Each as a list shows it, before the first of the `lines`."""
    encoder = msgspec.json.Encoder()
    return (encoder.encode(_object(tenant, tenant.number + 1)) for tenant in tenants)


def lines(changes: int, tenants: Sequence[Tenant] = ()) -> Iterator[bytes]:
    """So many changes of these tenants, or of 2,000 new ones: a line each, with its newline.

    About 1.1 kB each, of which managedFields are the half.
    """
    tenants = tenants or [Tenant(number, _uid()) for number in range(_TENANTS)]
    encoder = msgspec.json.Encoder()
    for version in range(BASE_VERSION + 1, BASE_VERSION + changes + 1):
        tenant = _random.choice(tenants)
        tenant.toggle()
        kind = "ADDED" if tenant.generation == 1 else "MODIFIED"
        yield encoder.encode({"type": kind, "object": _object(tenant, version)}) + b"\n"


def _uid() -> str:
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def _object(tenant: Tenant, version: int) -> dict[str, object]:
    """The keys and their order are those of a real kube-apiserver's event."""
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {
            "creationTimestamp": _CREATED,
            "generation": tenant.generation,
            "labels": {ORG_LABEL: str(283_746_501 + tenant.number % 300)},
            "managedFields": [
                _managed("kubectl-create", {"f:metadata": {"f:labels": {".": {}, f"f:{ORG_LABEL}": {}}}}, tenant),
                _managed("kubectl-patch", {}, tenant),
            ],
            "name": f"tenant-{tenant.number}",
            "resourceVersion": str(version),
            "uid": tenant.uid,
        },
        "spec": {
            "displayName": f"Tenant {tenant.number} GmbH",
            "packages": sorted(tenant.packages),
            "suspend": False,
        },
    }


def _managed(manager: str, more: dict[str, object], tenant: Tenant) -> dict[str, object]:
    packages: dict[str, object] = {f'v:"{package}"': {} for package in sorted(tenant.packages)}
    spec = {".": {}, "f:displayName": {}, "f:packages": {".": {}, **packages}, "f:suspend": {}}
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {**more, "f:spec": spec},
        "manager": manager,
        "operation": "Update",
        "time": _CREATED,
    }
