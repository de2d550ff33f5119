"""Objects as `kubectl get` asks for them: a `Table` with the CustomResourceDefinition's printer columns."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from sidecar.demo.apiserver.resource import Json

_COLUMNS = [
    {
        "name": name,
        "type": kind,
        "format": "name" if name == "Name" else "",
        "description": description,
        "priority": 0,
    }
    for name, kind, description in (
        ("Name", "string", "The name, unique among the living"),
        ("Packages", "string", ".spec.packages"),
        ("Suspended", "boolean", ".spec.suspend"),
        ("Age", "date", ".metadata.creationTimestamp"),
    )
]


def wanted(accept: str) -> bool:
    """Whether the first choice of this Accept header is a Table."""
    return accept.split(",", maxsplit=1)[0].replace(" ", "").startswith("application/json;as=Table")


def table(objects: Iterable[Json], metadata: Json, *, columns: bool = True) -> Json:
    """The objects as rows; `columns`: a watch defines them only in its first event."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": _COLUMNS if columns else None,
        "rows": [_row(obj) for obj in objects],
    }


def _row(obj: Json) -> Json:
    spec = obj.get("spec") or {}
    packages = msgspec.json.encode(spec["packages"]).decode() if "packages" in spec else None
    created = obj["metadata"].get("creationTimestamp")
    cells = [
        obj["metadata"].get("name"),
        packages,
        spec.get("suspend"),
        age(created, datetime.now(UTC)) if created else None,
    ]
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"cells": cells, "object": partial}


def age(created: str, now: datetime) -> str:
    """The time from `created` to `now` in kubectl's words: duration.HumanDuration of k8s.io/apimachinery.

    Its years are left out: no demo lasts two.
    """
    seconds = max(int((now - datetime.fromisoformat(created)).total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 2:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if days < 2:
        return f"{hours}h"
    return _two(days, "d", hours % 24, "h") if days < 8 else f"{days}d"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
