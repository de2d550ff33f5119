"""The rights of the manifests are enough (every other test here runs with them), and none of them is too much.

One after the other is taken away; what the sidecar then cannot do, and that it says so, is in `SAID`. A right whose
absence nothing here notices has no line there, and does not belong into the manifests.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.support.envtest import SIDECAR_ACCOUNT, Kubernetes
from tests.support.manifests import MANIFESTS, Json
from tests.support.stage import Stage
from tests.support.waiting import until

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/billing-sidecar"
AUDIENCE = "pieced-billing"


class Right(NamedTuple):
    """One verb on one resource."""

    verb: str
    resource: str


async def _logged(stage: Stage, event: str, field: str, **fields: Any) -> str:
    return (await stage.sidecar.logged(event, **fields))[field]


async def _answered(stage: Stage, _: str = "") -> str:
    """What the admin API says to a caller with a ServiceAccount's token."""
    port = (await stage.sidecar.logged("started"))["http_port"]
    asked = {"spec": {"audiences": [AUDIENCE]}}
    issued = await asyncio.to_thread(stage.kubernetes.request, "POST", f"{SIDECAR_ACCOUNT}/token", asked)
    headers = {"Authorization": f"Bearer {issued['status']['token']}"}
    url = f"http://127.0.0.1:{port}/api/admin/billing/skills"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 503, await answer.text()
        return (await answer.json())["detail"]


# right: where what it leads to is said.
SAID: dict[Right, Callable[[Stage], Awaitable[str]]] = {
    Right("list", "piecedtenants.pieced.ch"): lambda stage: _logged(stage, "watch_lost", "detail", reason="refused"),
    Right("watch", "piecedtenants.pieced.ch"): lambda stage: _logged(stage, "watch_lost", "detail", reason="refused"),
    Right("get", "namespaces"): lambda stage: _logged(stage, "cluster_awaited", "reason"),
    Right("create", "tokenreviews.authentication.k8s.io"): _answered,
    Right("create", "subjectaccessreviews.authorization.k8s.io"): _answered,
}


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


@pytest.fixture
def role(kubernetes: Kubernetes) -> Iterator[Json]:
    """The sidecar's role as the manifests give it; put back afterwards."""
    role = kubernetes.request("GET", ROLE)
    yield role
    kubernetes.request("PATCH", ROLE, {"rules": role["rules"]}, content_type="application/merge-patch+json")
    kubernetes.wait_until_served()


def test_each_right_that_the_manifests_give_is_one_that_is_missed(role: Json):
    assert set(rights(role)) == set(SAID)


@pytest.mark.parametrize("right", SAID, ids=lambda right: f"{right.verb}-{right.resource}")
async def test_without_a_right_it_is_said_which_one_is_missing(stage: Stage, role: Json, right: Right):
    less = without(role, right)
    assert rights(less) == [each for each in rights(role) if each != right]
    patch = {"rules": less["rules"]}
    kind = "application/merge-patch+json"
    await asyncio.to_thread(stage.kubernetes.request, "PATCH", ROLE, patch, content_type=kind)
    await _taken_away(stage.kubernetes, right)
    stage.sidecar.start()
    said = await SAID[right](stage)
    assert right.resource.partition(".")[0] in said
    assert f"cannot {right.verb} resource" in said
    assert "403" in said


async def _taken_away(kubernetes: Kubernetes, right: Right) -> None:
    """Returns when the API server has heard of it."""
    resource, _, group = right.resource.partition(".")
    name = {"name": "kube-system"} if resource == "namespaces" else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:portal:portal",
            "resourceAttributes": {"verb": right.verb, "group": group, "resource": resource, **name},
        },
    }

    async def denied() -> bool:
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = await asyncio.to_thread(kubernetes.request, "POST", path, review)
        return not answer["status"]["allowed"]

    await until(denied, f"{right} was never taken away")


def test_the_rule_for_namespaces_is_for_one_alone(role: Json):
    (rule,) = (rule for rule in role["rules"] if rule["resources"] == ["namespaces"])
    assert rule["resourceNames"] == ["kube-system"]
    assert (MANIFESTS / "base" / "rbac.yaml").read_text().count("resourceNames") == 1
