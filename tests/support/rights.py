"""The rights of a role, one by one: listed, taken away, and known to be gone."""

import copy
import time
from typing import Any, NamedTuple

from tests.support.envtest import Kubernetes
from tests.support.waiting import PATIENCE_SECONDS, POLL_SECONDS

Json = dict[str, Any]

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Right(NamedTuple):
    """One verb on one resource."""

    verb: str
    resource: str


def rights(role: Json) -> list[Right]:
    """Every single right of a role."""
    return [
        Right(verb, f"{resource}.{group}".rstrip("."))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: Json, right: Right) -> Json:
    """The role, less one right."""
    less = copy.deepcopy(role)
    for rule in less["rules"]:
        names = {f"{resource}.{group}".rstrip(".") for group in rule["apiGroups"] for resource in rule["resources"]}
        if right.resource in names:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != right.verb]
    less["rules"] = [rule for rule in less["rules"] if rule["verbs"]]
    return less


def give(kubernetes: Kubernetes, role: str, rules: list[Json]) -> None:
    """Makes these the rules of the role at that path."""
    kubernetes.request("PATCH", role, {"rules": rules}, content_type="application/merge-patch+json")


def may(kubernetes: Kubernetes, account: str, right: Right, name: str = "") -> bool:
    """Whether the API server lets an account of namespace portal do that, to the object of that name."""
    resource, _, group = right.resource.partition(".")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:portal:{account}",
            "resourceAttributes": {
                "verb": right.verb,
                "group": group,
                "resource": resource,
                "namespace": "portal",
                "name": name,
            },
        },
    }
    answer = kubernetes.request("POST", _REVIEWS, review)
    return bool(answer["status"]["allowed"])


def until_it_may_not(kubernetes: Kubernetes, account: str, right: Right, name: str = "") -> None:
    """Returns when the API server has heard that the right was taken away."""
    _until(kubernetes, account, right, name, allowed=False)


def until_it_may(kubernetes: Kubernetes, account: str, right: Right, name: str = "") -> None:
    """Returns when the API server has heard that the right was given."""
    _until(kubernetes, account, right, name, allowed=True)


def _until(kubernetes: Kubernetes, account: str, right: Right, name: str, *, allowed: bool) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while may(kubernetes, account, right, name) is not allowed:
        assert time.monotonic() < deadline, f"{right} never became {allowed}"
        time.sleep(POLL_SECONDS)
