"""Reading a PiecedTenant's JSON into a value.

Pure. What bills is typed strictly; all else in the object is skipped by the decoder, not built.
The shape is the design's, "The tenant as we read it".
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from sidecar.nesting import decode

UID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The pattern of a uid as the API server makes them, for objects and for its calls; Postgres keeps a uuid."""

_UID = re.compile(UID)
_VERSION = re.compile(r"0|[1-9][0-9]{0,38}")  # KEP-5504: decimal, up to 128 bits
_NUL = "a NUL, which Postgres text cannot hold"
# int64 in Kubernetes, bigint in Postgres; one less, because the views reckon with the next one.
_GENERATION_MOST = 2**63 - 2

# Characters of a tenant's name, as Kubernetes allows them (RFC 1123), and bytes of a package's: an index of Postgres
# holds 2,704 bytes a row, and the name is one of three parts of a key.
_NAME_MOST = 253
_PACKAGE_MOST = 2_000

# Packages of one tenant: twenty times what the platform's CRD allows. A change that exchanges all of them writes two
# events for each, in one statement: 0.2 to 0.4 s of its 30 s (measured; ten times as many take 3 s).
_PACKAGES_MOST = 10_000


class Tenant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Metadata(msgspec.Struct, rename="camel", gc=False):
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


class Spec(msgspec.Struct, gc=False):
    """The parts of `spec` that bill."""

    packages: list[str] | None = None
    suspend: bool | None = None


class Object(msgspec.Struct, gc=False):
    """A PiecedTenant, typed as it must be to bill."""

    metadata: Metadata
    spec: Spec | None = None
    status: msgspec.Raw = msgspec.Raw(b"null")


class _Identity(msgspec.Struct, rename="camel"):
    """The parts of `metadata` that identify a tenant; the others of any shape."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: msgspec.Raw = msgspec.Raw(b"null")
    labels: msgspec.Raw = msgspec.Raw(b"null")


class _Identified(msgspec.Struct):
    """A PiecedTenant of which only the identity has the right shape; the rest is not looked at."""

    metadata: _Identity


class _Status(msgspec.Struct, rename="camel"):
    suspended_at: Any = None


class Nameless(ValueError):
    """The object has no usable identity (uid, name, version, generation, creationTimestamp): says which."""


_strict = msgspec.json.Decoder(Object)
_lenient = msgspec.json.Decoder(_Identified)
_status = msgspec.json.Decoder(_Status)
_labels = msgspec.json.Decoder(dict[str, Any])
_time = msgspec.json.Decoder(datetime | None)

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not as they should be: not JSON or of another shape, not UTF-8,
nested deeper than Python's stack."""


def is_uid(text: str) -> bool:
    """Whether this is a uid as the API server makes them."""
    return _UID.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether this is a resourceVersion that can be compared and stored."""
    return _VERSION.fullmatch(text) is not None


def is_generation(number: int) -> bool:
    """Whether this can be the generation of an object."""
    return 0 < number <= _GENERATION_MOST


def read(body: bytes | msgspec.Raw, org_label: str) -> Tenant:
    """The tenant in these bytes of one JSON object.

    An object whose packages are not a list of strings (or whose suspend flag is no boolean) comes back with
    `packages` None and the reason in `unreadable`. Raises `Nameless` when not even its identity can be read.
    """
    try:
        obj = decode(_strict, body)
    except _UNDECODABLE as error:
        return _read_unreadable(body, org_label, str(error))
    return of(obj, org_label)


def of(obj: Object, org_label: str) -> Tenant:
    """The tenant in an object that has been decoded. Raises `Nameless` as `read` does."""
    spec = obj.spec
    named = set(spec.packages) if spec is not None and spec.packages else set[str]()
    if len(named) > _PACKAGES_MOST:
        return _identity(obj.metadata, org_label, f"more than {_PACKAGES_MOST} packages")
    packages = tuple(sorted(named))
    if "\0" in "".join(packages):
        return _identity(obj.metadata, org_label, f"a package name contains {_NUL}")
    if any(len(package.encode()) > _PACKAGE_MOST for package in packages):
        return _identity(obj.metadata, org_label, f"a package name is longer than {_PACKAGE_MOST} bytes")
    suspended = bool(spec is not None and spec.suspend)
    suspended_at = _suspended_at(obj.status) if suspended else None
    return _identity(obj.metadata, org_label, None, packages, suspended, suspended_at)


def _read_unreadable(body: bytes | msgspec.Raw, org_label: str, why: str) -> Tenant:
    try:
        found = decode(_lenient, body).metadata
    except _UNDECODABLE as error:
        raise Nameless(f"not a PiecedTenant: {error}") from error
    try:
        org = _labels.decode(found.labels).get(org_label)
    except _UNDECODABLE:
        org = None  # `why`, or the next object's labels, say more
    try:
        deletion = _time.decode(found.deletion_timestamp)
    except _UNDECODABLE:
        deletion = None
    metadata = Metadata(
        name=found.name,
        uid=found.uid,
        generation=found.generation,
        resource_version=found.resource_version,
        creation_timestamp=found.creation_timestamp,
        deletion_timestamp=deletion,
        labels={org_label: org} if isinstance(org, str) else None,
    )
    return _identity(metadata, org_label, why)


def _identity(
    metadata: Metadata,
    org_label: str,
    unreadable: str | None,
    packages: tuple[str, ...] | None = None,
    suspended: bool = False,
    suspended_at: datetime | None = None,
) -> Tenant:
    created_at = _utc(metadata.creation_timestamp)
    if (
        not is_uid(metadata.uid)
        or not 0 < len(metadata.name) <= _NAME_MOST
        or "\0" in metadata.name
        or not is_generation(metadata.generation)
        or not is_version(metadata.resource_version)
        or created_at is None
    ):
        raise Nameless(
            f"uid {metadata.uid!r}, name {metadata.name!r}, resourceVersion {metadata.resource_version!r}, "
            f"generation {metadata.generation}, creationTimestamp {metadata.creation_timestamp}: "
            "one of these is not usable"
        )
    org = metadata.labels.get(org_label) or None if metadata.labels else None
    deletion_requested_at = _utc(metadata.deletion_timestamp)
    if org is not None and "\0" in org:
        org, unreadable = None, unreadable or f"the org label contains {_NUL}"
    if metadata.deletion_timestamp is not None and deletion_requested_at is None:
        unreadable = unreadable or "the deletionTimestamp has no offset from UTC"
    if unreadable is not None:
        packages, suspended, suspended_at = None, False, None
    return Tenant(
        uid=metadata.uid,
        name=metadata.name,
        generation=metadata.generation,
        resource_version=metadata.resource_version,
        created_at=created_at,
        org=org,
        packages=packages,
        suspended=suspended,
        suspended_at=suspended_at,
        deletion_requested_at=deletion_requested_at,
        unreadable=unreadable,
    )


def _suspended_at(status: msgspec.Raw) -> datetime | None:
    """`status.suspendedAt`, or None: the CRD need not validate it, so anything may stand there."""
    try:
        text = _status.decode(status).suspended_at
        return _utc(msgspec.convert(text, datetime)) if isinstance(text, str) else None
    except _UNDECODABLE:
        return None


def _utc(at: datetime | None) -> datetime | None:
    """The moment in UTC; None without an offset, or for one that falls off either end of the calendar."""
    if at is None or at.tzinfo is UTC:  # as the API server writes them, and msgspec reads them
        return at
    if at.tzinfo is None:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return None
