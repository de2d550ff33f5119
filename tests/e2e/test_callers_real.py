"""Who may call, on a real API server: real ServiceAccounts, real TokenRequests, real RBAC."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.cluster import Reviews
from sidecar.web.callers import Callers
from tests.support.admin import AdminApi, admin_api
from tests.support.envtest import Kubernetes
from tests.support.tokens import changed, signed_again

AUDIENCE = "pieced-billing"
NAMESPACE = "/api/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def role(name: str, verbs: list[str], paths: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{"nonResourceURLs": paths, "verbs": verbs}],
    }


def binding(to: str, kind: str, subject: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    where: dict[str, str] = {"namespace": "default"} if kind == "ServiceAccount" else {"apiGroup": group}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{to.replace(':', '-')}-{subject}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": to},
        "subjects": [{"kind": kind, "name": subject, **where}],
    }


@pytest.fixture(scope="module")
def cluster(kubernetes: Kubernetes) -> Kubernetes:
    """The API server with the role of components/callers bound to one account more; another may only read."""
    for name in ("granted", "reader", "ungranted"):
        kubernetes.request("POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}})
    kubernetes.request(
        "POST", f"{RBAC}/clusterroles", role("billing-reader", ["get", "list"], ["/api/admin/billing/*"])
    )
    for made in (
        binding("pieced-billing-admin", "ServiceAccount", "granted"),
        binding("billing-reader", "ServiceAccount", "reader"),
    ):
        kubernetes.request("POST", f"{RBAC}/clusterrolebindings", made)
    return kubernetes


@pytest.fixture
async def api(cluster: Kubernetes, ledger_database: str, tmp_path: Path) -> AsyncIterator[AdminApi]:
    kubeconfig = await asyncio.to_thread(cluster.kubeconfig, "sidecar")
    async with (
        Reviews.connect(kubeconfig) as reviews,
        admin_api(ledger_database, tmp_path, Callers(None, reviews, AUDIENCE)) as api,
    ):
        yield api


async def token(cluster: Kubernetes, name: str, *audiences: str, bound_to: dict[str, str] | None = None) -> str:
    """A token as `kubectl create token` asks for it; without audiences for the API server itself."""
    spec: dict[str, Any] = {"audiences": list(audiences), "expirationSeconds": 600}
    if bound_to is not None:
        spec["boundObjectRef"] = bound_to
    path = f"{NAMESPACE}/serviceaccounts/{name}/token"
    answer = await asyncio.to_thread(cluster.request, "POST", path, {"spec": spec})
    return answer["status"]["token"]


async def granted(api: AdminApi, bearer: str) -> None:
    """Ask until it may read: RBAC of a real API server follows its objects after a moment."""
    async with asyncio.timeout(30):
        while (answer := await api.call("GET", "/skills", bearer=bearer)).status != 200:
            assert answer.status == 403, answer


async def test_a_granted_service_account_may_read_and_change_and_is_named(api: AdminApi, cluster: Kubernetes):
    bearer = await token(cluster, "granted", AUDIENCE)
    await granted(api, bearer)
    price = (await api.call("PUT", "/skills/jitsi/price", {"dailyPriceChf": "0.10"}, bearer=bearer)).ok()
    assert price["updatedBy"] == "system:serviceaccount:default:granted"
    (await api.call("POST", "/backfill", bearer=bearer)).ok()
    assert api.backfills.asked_by == ["system:serviceaccount:default:granted"]


async def test_a_right_to_read_is_none_to_change(api: AdminApi, cluster: Kubernetes):
    bearer = await token(cluster, "reader", AUDIENCE)
    await granted(api, bearer)
    answer = await api.call("PUT", "/skills/jitsi/price", {"dailyPriceChf": "0.10"}, bearer=bearer)
    status, error, detail = answer.error()
    assert (status, error) == (403, "forbidden")
    assert "system:serviceaccount:default:reader may not put /api/admin/billing/skills/jitsi/price" in detail


async def test_an_ungranted_service_account_may_nothing(api: AdminApi, cluster: Kubernetes):
    """Not even read, although system:discovery lets every account `get` /api/*, and so these paths."""
    discovery = await asyncio.to_thread(cluster.request, "GET", f"{RBAC}/clusterroles/system:discovery")
    assert "/api/*" in discovery["rules"][0]["nonResourceURLs"]
    bearer = await token(cluster, "ungranted", AUDIENCE)
    for method, path in (("GET", "/skills"), ("POST", "/backfill"), ("GET", "/completeness")):
        assert (await api.call(method, path, bearer=bearer)).error()[:2] == (403, "forbidden")
    assert api.backfills.asked_by == []


async def test_a_right_is_enough_as_soon_as_it_is_granted_and_until_a_minute_after_it_is_taken(
    cluster: Kubernetes, ledger_database: str, tmp_path: Path
):
    now = [0.0]
    await asyncio.to_thread(cluster.request, "POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "later"}})
    bearer = await token(cluster, "later", AUDIENCE)
    kubeconfig = await asyncio.to_thread(cluster.kubeconfig, "sidecar")
    async with (
        Reviews.connect(kubeconfig) as reviews,
        admin_api(ledger_database, tmp_path, Callers(None, reviews, AUDIENCE, lambda: now[0])) as api,
    ):
        assert (await api.call("GET", "/skills", bearer=bearer)).status == 403
        granting = binding("billing-reader", "ServiceAccount", "later")
        await asyncio.to_thread(cluster.request, "POST", f"{RBAC}/clusterrolebindings", granting)
        await granted(api, bearer)
        path = f"{RBAC}/clusterrolebindings/{granting['metadata']['name']}"
        await asyncio.to_thread(cluster.request, "DELETE", path)
        assert (await api.call("GET", "/skills", bearer=bearer)).status == 200
        now[0] += 60.0
        async with asyncio.timeout(30):
            while (await api.call("GET", "/skills", bearer=bearer)).status != 403:
                now[0] += 60.0  # RBAC may not have heard of it yet, and this was another minute's yes


async def test_a_token_for_another_audience_is_not_let_in(api: AdminApi, cluster: Kubernetes):
    for audiences in ((), ("vault",), (cluster.url,)):
        bearer = await token(cluster, "granted", *audiences)
        assert (await api.call("GET", "/skills", bearer=bearer)).error()[:2] == (401, "unauthorized"), audiences


async def test_a_persons_static_token_has_no_audience_and_is_not_let_in(api: AdminApi, cluster: Kubernetes):
    assert (await api.call("GET", "/skills", bearer=cluster.tokens["admin"])).error()[:2] == (401, "unauthorized")


async def test_an_expired_token_is_not_let_in(api: AdminApi, cluster: Kubernetes):
    fresh = await token(cluster, "granted", AUDIENCE)
    key, now = cluster.ca_file.with_suffix(".key"), int(time.time())
    begun = {"iat": now - 7200, "nbf": now - 7200}
    good = await asyncio.to_thread(signed_again, fresh, key, **begun, exp=now + 600)
    await granted(api, good)  # signed as the API server signs, so that only its end decides below
    expired = await asyncio.to_thread(signed_again, fresh, key, **begun, exp=now - 60)
    assert (await api.call("GET", "/skills", bearer=expired)).error()[:2] == (401, "unauthorized")


async def test_a_token_bound_to_what_is_gone_is_not_let_in(api: AdminApi, cluster: Kubernetes):
    secret = await asyncio.to_thread(
        cluster.request, "POST", f"{NAMESPACE}/secrets", {"metadata": {"name": "anchor"}, "type": "Opaque"}
    )
    anchor = {"apiVersion": "v1", "kind": "Secret", "name": "anchor", "uid": secret["metadata"]["uid"]}
    bearer = await token(cluster, "granted", AUDIENCE, bound_to=anchor)
    await granted(api, bearer)
    await asyncio.to_thread(cluster.request, "DELETE", f"{NAMESPACE}/secrets/anchor")
    # Another method, because the yes to the first one still holds. 403: the token is known, and may not do that.
    async with asyncio.timeout(30):
        while True:  # the API server remembers a token it has checked for some 10 s
            answer = await api.call("PATCH", "/skills", bearer=bearer)
            if answer.status != 403:
                break
            await asyncio.sleep(0.1)
    assert answer.error()[:2] == (401, "unauthorized")


async def test_a_token_that_was_changed_is_not_let_in(api: AdminApi, cluster: Kubernetes):
    bearer = await token(cluster, "granted", AUDIENCE)
    another = changed(bearer, sub="system:serviceaccount:default:reader")
    for forged in (another, bearer.rpartition(".")[0] + ".", bearer[:-8] + "AAAAAAAA"):
        assert (await api.call("GET", "/skills", bearer=forged)).error()[:2] == (401, "unauthorized")


async def test_without_the_right_to_review_nobody_is_let_in_and_the_missing_right_is_named(
    cluster: Kubernetes, ledger_database: str, tmp_path: Path
):
    bearer = await token(cluster, "granted", AUDIENCE)
    kubeconfig = await asyncio.to_thread(cluster.kubeconfig, "bob")
    async with (
        Reviews.connect(kubeconfig) as reviews,
        admin_api(ledger_database, tmp_path, Callers(None, reviews, AUDIENCE)) as api,
    ):
        status, _, detail = (await api.call("GET", "/skills", bearer=bearer)).error()
    assert status == 503
    assert "tokenreviews.authentication.k8s.io" in detail
