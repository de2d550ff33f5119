"""AdmissionReviews and the commits that they lead to, as kube-apiserver makes them (`tests/data` has real ones)."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from sidecar import admission, tenant
from sidecar.admission import Review
from sidecar.attempts import Request
from sidecar.attribution import Commit
from tests.support.captures import LABEL, RESOURCE

Json = dict[str, Any]

UID = "14013783-c89e-4f50-b1bb-4bcbcdaed690"
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def stored(version: int, generation: int, *packages: str, **metadata: Any) -> Json:
    """A tenant as it is stored: `metadata` in Kubernetes' own names."""
    usual = {
        "name": "acme",
        "uid": UID,
        "generation": generation,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-22T09:26:44Z",
        "labels": {LABEL: "283746501"},
    }
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": usual | metadata,
        "spec": {"packages": list(packages)},
    }


def proposed(obj: Json, base: Json | None) -> Json:
    """How the webhook sees `obj` before it is stored: with the version that it would replace, or with none."""
    metadata = {**obj["metadata"]}
    del metadata["resourceVersion"]
    if base is not None:
        metadata["resourceVersion"] = base["metadata"]["resourceVersion"]
    return {**obj, "metadata": metadata}


def review(operation: str, user: str, old: Json | None, new: Json | None, /, **request: Any) -> Json:
    """A review; `request`: other fields, or other values of these, by their own names."""
    usual = {
        "uid": str(uuid.uuid4()),
        "resource": {"group": RESOURCE.group, "version": RESOURCE.version, "resource": RESOURCE.plural},
        "name": "acme",
        "operation": operation,
        "userInfo": {"username": user, "groups": ["system:authenticated"]},
        "object": None if new is None else proposed(new, old),
        "oldObject": old,
        "dryRun": False,
        "options": None,
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": usual | request}


def read(body: Json | bytes, at: datetime = AT) -> Review:
    """What the sidecar makes of it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return admission.read(content, RESOURCE.group, RESOURCE.plural, at)


def asked(
    operation: str, user: str, old: Json | None, new: Json | None, /, at: datetime = AT, **request: Any
) -> Request:
    """The request in such a review, which must be one to remember."""
    about = read(review(operation, user, old, new, **request), at).about
    assert isinstance(about, Request), about
    return about


def commit(kind: str, obj: Json, base: str) -> Commit:
    """A change as the watch shows it; `base`: the newest version that was known before."""
    body = json.dumps(obj).encode()
    return Commit(kind, tenant.read(body, LABEL), base, body)
