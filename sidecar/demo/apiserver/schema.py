"""The schema of the PiecedTenant CustomResourceDefinition, as far as a wrong object must be refused."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.statuses import invalid

_PACKAGES_MOST = 500  # maxItems in the CustomResourceDefinition
_PACKAGE_LONGEST = 253  # maxLength there: a DNS subdomain
_NOT_NULLABLE = {"displayName", "packages", "suspend", "phase"}
_TYPES = {str: "string", bool: "boolean", dict: "object", list: "array", int: "integer", float: "number"}


def pruned(part: object) -> object:
    """A spec or status as it is stored: null in a field that is not nullable is as good as absent."""
    if not isinstance(part, dict):
        return part
    return {key: value for key, value in part.items() if value is not None or key not in _NOT_NULLABLE}


def check(resource: Resource, obj: Json) -> None:
    """Raise the 422 that names every problem of the object's spec and status; pass a valid one."""
    if causes := [*_spec(obj.get("spec")), *_status(obj.get("status"))]:
        raise invalid(resource, obj["metadata"]["name"], causes)


def _cause(field: str, reason: str, message: str) -> Json:
    return {"reason": reason, "message": message, "field": field}


def _typed(field: str, value: object, wanted: type) -> Iterator[Json]:
    if not isinstance(value, wanted):
        got = _TYPES.get(type(value), "null")
        message = f'Invalid value: "{got}": {field} in body must be of type {_TYPES[wanted]}: "{got}"'
        yield _cause(field, "FieldValueTypeInvalid", message)


def _spec(spec: object) -> Iterator[Json]:
    if spec is None:
        yield _cause("spec", "FieldValueRequired", "Required value")
        return
    yield from _typed("spec", spec, dict)
    if isinstance(spec, dict):
        for key, wanted in (("displayName", str), ("suspend", bool), ("packages", list)):
            if key in spec:
                yield from _typed(f"spec.{key}", spec[key], wanted)
        if isinstance(packages := spec.get("packages"), list):
            yield from _packages(packages)


def _packages(packages: list[Any]) -> Iterator[Json]:
    if len(packages) > _PACKAGES_MOST:
        message = f"Too many: {len(packages)}: must have at most {_PACKAGES_MOST} items"
        yield _cause("spec.packages", "FieldValueTooMany", message)
    for position, package in enumerate(packages):
        field = f"spec.packages[{position}]"
        yield from _typed(field, package, str)
        if package == "":
            message = f'Invalid value: "": {field} in body should be at least 1 chars long'
            yield _cause(field, "FieldValueInvalid", message)
        elif isinstance(package, str) and len(package) > _PACKAGE_LONGEST:
            yield _cause(field, "FieldValueTooLong", f"Too long: may not be more than {_PACKAGE_LONGEST} bytes")
        if package in packages[:position]:
            yield _cause(field, "FieldValueDuplicate", f'Duplicate value: "{package}"')


def _status(status: object) -> Iterator[Json]:
    if status is None:
        return
    yield from _typed("status", status, dict)
    if isinstance(status, dict):
        if "phase" in status:
            yield from _typed("status.phase", status["phase"], str)
        if (at := status.get("suspendedAt")) is not None:
            yield from _typed("status.suspendedAt", at, str)
            if isinstance(at, str) and not _is_date_time(at):
                message = f'Invalid value: "{at}": status.suspendedAt in body must be of type date-time: "{at}"'
                yield _cause("status.suspendedAt", "FieldValueInvalid", message)


def _is_date_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
