"""The rights of the manifests are enough (every other test here runs with them), and none of them is too much.

One after the other is taken away; what the sidecar then cannot do, and that it says so, is in `SAID`. A right whose
absence nothing here notices has no line there, and does not belong into the manifests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.envtest import SIDECAR_ACCOUNT, Kubernetes
from tests.support.manifests import MANIFESTS, Json
from tests.support.rights import Right, give, rights, until_it_may_not, without
from tests.support.stage import Stage

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/billing-sidecar"
AUDIENCE = "pieced-billing"


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


@pytest.fixture
def role(kubernetes: Kubernetes) -> Iterator[Json]:
    """The sidecar's role as the manifests give it; put back afterwards."""
    role = kubernetes.request("GET", ROLE)
    yield role
    give(kubernetes, ROLE, role["rules"])
    kubernetes.wait_until_served()


def test_each_right_that_the_manifests_give_is_one_that_is_missed(role: Json):
    assert set(rights(role)) == set(SAID)


@pytest.mark.parametrize("right", SAID, ids=lambda right: f"{right.verb}-{right.resource}")
async def test_without_a_right_it_is_said_which_one_is_missing(stage: Stage, role: Json, right: Right):
    less = without(role, right)
    assert rights(less) == [each for each in rights(role) if each != right]
    await asyncio.to_thread(give, stage.kubernetes, ROLE, less["rules"])
    await asyncio.to_thread(until_it_may_not, stage.kubernetes, "portal", right)
    stage.sidecar.start()
    said = await SAID[right](stage)
    assert right.resource.partition(".")[0] in said
    assert f"cannot {right.verb} resource" in said
    assert "403" in said


def test_the_rule_for_namespaces_is_for_one_alone(role: Json):
    (rule,) = (rule for rule in role["rules"] if rule["resources"] == ["namespaces"])
    assert rule["resourceNames"] == ["kube-system"]
    assert (MANIFESTS / "base" / "rbac.yaml").read_text().count("resourceNames") == 1
