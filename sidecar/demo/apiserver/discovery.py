"""The documents that kubectl reads before it does anything, fixed for the life of the process."""

import uuid
from datetime import datetime

from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.rules import stamp

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def documents(resource: Resource, now: datetime) -> dict[str, Json]:
    """The JSON answer of each fixed path. The cluster's uid (of namespace kube-system) is drawn here."""
    version = {"groupVersion": resource.api_version, "version": resource.version}
    group = {"name": resource.group, "versions": [version], "preferredVersion": version}
    named = {"kind": resource.kind, "singularName": resource.singular, "namespaced": False}
    metadata = {"name": "kube-system", "uid": str(uuid.uuid4()), "creationTimestamp": stamp(now)}
    kube_system = {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {**metadata, "resourceVersion": "1"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    namespaces = {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace"}
    return {
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/api/v1": _resources("v1", [{**namespaces, "shortNames": ["ns"], "verbs": ["get"]}]),
        "/api/v1/namespaces/kube-system": kube_system,
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        f"/apis/{resource.group}": {"kind": "APIGroup", "apiVersion": "v1", **group},
        f"/apis/{resource.api_version}": _resources(
            resource.api_version,
            [
                {"name": resource.plural, **named, "shortNames": [resource.short_name], "verbs": _VERBS},
                {"name": f"{resource.plural}/status", **named, "verbs": ["get", "patch", "update"]},
            ],
        ),
        "/openapi/v3": {"paths": {}},
        # The version whose behaviour this stand-in is held to.
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3+demo", "platform": "demo"},
    }


def _resources(group_version: str, resources: list[Json]) -> Json:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }
