"""Reading a PiecedTenant's JSON into a value.

Pure. What bills is typed strictly; all else in the object is skipped by the decoder, not built.
The shape is the design's, "The tenant as we read it".
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

_VERSION = re.compile(r"0|[1-9][0-9]{0,38}")  # KEP-5504: decimal, up to 128 bits
_GENERATION_MOST = 2**63 - 1  # int64 in Kubernetes, bigint in Postgres


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A PiecedTenant as it bills. `packages` is sorted without repeats; None where `unreadable` says why."""

    uid: str
    name: str
    generation: int
    resource_version: str
    created_at: datetime
    org: str | None = None
    packages: tuple[str, ...] | None
    suspended: bool = False
    suspended_at: datetime | None = None
    deletion_requested_at: datetime | None = None
    unreadable: str | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """The parts of `metadata` that we read; bookmarks and Status objects have hardly any of them."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None


class Spec(msgspec.Struct):
    """The parts of `spec` that bill."""

    packages: list[str] | None = None
    suspend: bool | None = None


class Object(msgspec.Struct):
    """A PiecedTenant, typed as it must be to bill."""

    metadata: Metadata
    spec: Spec | None = None
    status: msgspec.Raw = msgspec.Raw(b"null")


class _AnySpecObject(msgspec.Struct):
    """The same with a spec of any shape: identity is read even when the content cannot be."""

    metadata: Metadata
    spec: Any = None
    status: msgspec.Raw = msgspec.Raw(b"null")


class _Status(msgspec.Struct, rename="camel"):
    suspended_at: Any = None


class Nameless(ValueError):
    """The object has no usable identity (uid, name, version, generation, creationTimestamp): says which."""


_strict = msgspec.json.Decoder(Object)
_lenient = msgspec.json.Decoder(_AnySpecObject)
_status = msgspec.json.Decoder(_Status)


def read(body: bytes | msgspec.Raw, org_label: str) -> Tenant:
    """The tenant in these bytes of one JSON object.

    An object whose packages are not a list of strings (or whose suspend flag is no boolean) comes back with
    `packages` None and the reason in `unreadable`. Raises `Nameless` when not even its identity can be read.
    """
    try:
        obj = _strict.decode(body)
    except msgspec.ValidationError as error:
        return _read_unreadable(body, org_label, str(error))
    return of(obj, org_label)


def of(obj: Object, org_label: str) -> Tenant:
    """The tenant in an object that has been decoded. Raises `Nameless` as `read` does."""
    spec = obj.spec
    packages = tuple(sorted(set(spec.packages))) if spec is not None and spec.packages else ()
    if any("\0" in package for package in packages):
        return _identity(obj.metadata, org_label, "a package name contains a NUL, which Postgres text cannot hold")
    suspended = bool(spec is not None and spec.suspend)
    return _identity(obj.metadata, org_label, None, packages, suspended, _suspended_at(obj.status) if suspended else None)


def _read_unreadable(body: bytes | msgspec.Raw, org_label: str, why: str) -> Tenant:
    try:
        obj = _lenient.decode(body)
    except msgspec.DecodeError as error:
        raise Nameless(f"not a PiecedTenant: {error}") from error
    return _identity(obj.metadata, org_label, why)


def _identity(
    metadata: Metadata,
    org_label: str,
    unreadable: str | None,
    packages: tuple[str, ...] | None = None,
    suspended: bool = False,  # noqa: FBT001, FBT002 - a field of the value, passed on
    suspended_at: datetime | None = None,
) -> Tenant:
    created_at = metadata.creation_timestamp
    if (
        len(metadata.uid) != 36
        or not metadata.name
        or not 0 < metadata.generation <= _GENERATION_MOST
        or not _VERSION.fullmatch(metadata.resource_version)
        or created_at is None
        or created_at.tzinfo is None
    ):
        raise Nameless(
            f"uid {metadata.uid!r}, name {metadata.name!r}, resourceVersion {metadata.resource_version!r}, "
            f"generation {metadata.generation}, creationTimestamp {created_at}: one of these is not usable"
        )
    labels = metadata.labels
    return Tenant(
        uid=metadata.uid,
        name=metadata.name,
        generation=metadata.generation,
        resource_version=metadata.resource_version,
        created_at=created_at,
        org=labels.get(org_label) or None if labels else None,
        packages=packages,
        suspended=suspended,
        suspended_at=suspended_at,
        deletion_requested_at=metadata.deletion_timestamp,
        unreadable=unreadable,
    )


def _suspended_at(status: msgspec.Raw) -> datetime | None:
    """`status.suspendedAt`, or None: the CRD need not validate it, so anything may stand there."""
    try:
        text = _status.decode(status).suspended_at
        at = msgspec.convert(text, datetime) if isinstance(text, str) else None
    except msgspec.DecodeError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
