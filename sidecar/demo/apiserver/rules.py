"""What a write makes of an object before it is stored: the registry rules of a custom resource, pure.

From k8s.io/apiserver `pkg/registry/rest` (create.go, update.go, delete.go) and k8s.io/apiextensions-apiserver
`pkg/registry/customresource/strategy.go`. Times are given, and kept in whole seconds, as Kubernetes does.
"""

import re
from datetime import datetime

from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.schema import check, pruned
from sidecar.demo.apiserver.statuses import bad_request, invalid, modified, precondition_failed

# metadata that a client may set; all else there is the server's.
_CLIENTS = ("labels", "annotations", "finalizers", "ownerReferences")
# A DNS subdomain, RFC 1123: what the name of a custom resource must be.
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def created(resource: Resource, body: Json, *, uid: str, suffix: str, now: datetime) -> Json:
    """The object that a POST of `body` stores; `suffix` completes a `generateName`. Raises `Refusal`."""
    _check_kind(resource, body)
    given = _metadata_of(body)
    base = given.get("generateName")
    name = given.get("name") or (f"{base}{suffix}" if base else "")
    if not name:
        cause = {
            "reason": "FieldValueRequired",
            "message": "Required value: name or generateName is required",
        }
        raise invalid(resource, "", [{**cause, "field": "metadata.name"}])
    if not _NAME.fullmatch(name):
        message = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case '
        message += "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
        cause = {"reason": "FieldValueInvalid", "message": message, "field": "metadata.name"}
        raise invalid(resource, name, [cause])
    if given.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    metadata = {
        "name": name,
        **({"generateName": base} if base else {}),
        **_clients(given),
        "uid": uid,
        "generation": 1,
        "creationTimestamp": stamp(now),
    }
    obj = _object(resource, metadata, body, status=None)
    check(resource, obj)
    return obj


def updated(resource: Resource, old: Json, body: Json, *, status: bool) -> Json:
    """The object that writing `body` over `old` stores, still under the old version; `status`: by /status.

    A write that changes nothing gives an equal object. Raises `Refusal`: 409 for another version or uid.
    """
    _check_kind(resource, body)
    before, given = old["metadata"], _metadata_of(body)
    name = before["name"]
    if given.get("name") != name:
        raise bad_request(f"the name of the object ({given.get('name')}) does not match the name on the URL ({name})")
    if (uid := given.get("uid", before["uid"])) != before["uid"]:
        raise precondition_failed(resource, name, "UID", uid, before["uid"])
    if not (version := given.get("resourceVersion")):
        message = "Invalid value: 0: must be specified for an update"
        cause = {"reason": "FieldValueInvalid", "message": message, "field": "metadata.resourceVersion"}
        raise invalid(resource, name, [cause])
    if version != before["resourceVersion"]:
        raise modified(resource, name)
    if status:
        new = _object(resource, before, old, status=body.get("status"))
    else:
        metadata = {key: value for key, value in before.items() if key not in _CLIENTS} | _clients(given)
        _check_finalizers(resource, before, metadata)
        new = _object(resource, metadata, body, status=old.get("status"))
        if new.get("spec") != old["spec"]:
            metadata["generation"] = before["generation"] + 1
    check(resource, new)
    return new


def deletion_requested(old: Json, now: datetime) -> Json:
    """What a DELETE makes of an object that a finalizer holds; a second one changes nothing."""
    before = old["metadata"]
    if "deletionTimestamp" in before:
        return old
    asked = {"deletionTimestamp": stamp(now), "deletionGracePeriodSeconds": 0}
    return {**old, "metadata": {**before, **asked, "generation": before["generation"] + 1}}


def ends(obj: Json) -> bool:
    """Whether storing this object means removing it: deletion is requested and no finalizer is left."""
    return "deletionTimestamp" in obj["metadata"] and not obj["metadata"].get("finalizers")


def stamp(now: datetime) -> str:
    """A `metav1.Time`: whole seconds, UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_kind(resource: Resource, body: Json) -> None:
    if (version := body.get("apiVersion")) != resource.api_version:
        raise bad_request(f"the API version in the data ({version}) does not match the expected API version")
    if (kind := body.get("kind")) != resource.kind:
        message = f'Invalid value: "{kind}": must be {resource.kind}'
        cause = {"reason": "FieldValueInvalid", "message": message, "field": "kind"}
        raise invalid(resource, _metadata_of(body).get("name", ""), [cause])


def _metadata_of(body: Json) -> Json:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    return metadata


def _clients(given: Json) -> Json:
    return {key: given[key] for key in _CLIENTS if given.get(key)}


def _check_finalizers(resource: Resource, before: Json, metadata: Json) -> None:
    added = set(metadata.get("finalizers", ())) - set(before.get("finalizers", ()))
    if added and "deletionTimestamp" in before:
        message = "Forbidden: no new finalizers can be added if the object is being deleted"
        message += f", found new finalizers {sorted(added)}"
        cause = {"reason": "FieldValueForbidden", "message": message, "field": "metadata.finalizers"}
        raise invalid(resource, before["name"], [cause])


def _object(resource: Resource, metadata: Json, body: Json, *, status: object) -> Json:
    """Only what the schema has at the top; what it does not know there is pruned."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        **({"spec": pruned(body["spec"])} if "spec" in body else {}),
        **({"status": pruned(status)} if status is not None else {}),
    }
