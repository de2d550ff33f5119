"""How the sidecar is let in: by a token of its ServiceAccount, which changes while it runs."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from tests.support.envtest import SIDECAR_ACCOUNT, Kubernetes
from tests.support.stage import Stage


async def test_an_accounts_token_may_change_while_the_sidecar_runs(stage: Stage, tmp_path: Path):
    kubernetes, token_file = stage.kubernetes, tmp_path / "token"
    token_file.write_text(await asyncio.to_thread(_new_token, kubernetes))
    config = tmp_path / "token.kubeconfig"
    config.write_text(_kubeconfig(kubernetes, token_file))
    stage.sidecar.environment["KUBECONFIG"] = str(config)
    stage.sidecar.start()
    await stage.delivered()
    await stage.admin.create("acme", "jitsi")
    await stage.delivered()

    # As an expired one, the token of an account that is no more is refused; the new account has the same name.
    await asyncio.to_thread(kubernetes.request, "DELETE", SIDECAR_ACCOUNT)
    token_file.write_text(await asyncio.to_thread(_new_token, kubernetes))
    await stage.restart_kubernetes()
    await stage.sidecar.logged("watch_listed", reason="expired")
    await stage.admin.merge("acme", {"spec": {"packages": []}})
    await stage.delivered()
    assert await stage.skill_events("acme") == [(1, "jitsi", "enabled"), (2, "jitsi", "disabled")]
    assert [e for e in stage.sidecar.events("watch_lost", reason="refused") if "401" in e["detail"]] == []


async def test_a_token_that_is_refused_is_read_again_when_there_is_a_better_one(stage: Stage, tmp_path: Path):
    kubernetes, token_file = stage.kubernetes, tmp_path / "token"
    token_file.write_text("of no use")
    config = tmp_path / "token.kubeconfig"
    config.write_text(_kubeconfig(kubernetes, token_file))
    stage.sidecar.environment["KUBECONFIG"] = str(config)
    stage.sidecar.start()
    refused = await stage.sidecar.logged("cluster_awaited")
    assert "does not know our credentials" in refused["reason"]
    token_file.write_text(await asyncio.to_thread(_new_token, kubernetes))
    await stage.delivered()


def _new_token(kubernetes: Kubernetes) -> str:
    """A short-lived token of the sidecar's account, which is made if it is not there."""
    account: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "portal"}}
    apply = "application/apply-patch+yaml"
    kubernetes.request("PATCH", f"{SIDECAR_ACCOUNT}?fieldManager=test", account, content_type=apply)
    asked = {"spec": {"expirationSeconds": 600}}  # the least that the API server grants
    token: str = kubernetes.request("POST", f"{SIDECAR_ACCOUNT}/token", asked)["status"]["token"]
    return token


def _kubeconfig(kubernetes: Kubernetes, token_file: Path) -> str:
    ca = base64.b64encode(kubernetes.ca_file.read_bytes()).decode()
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": kubernetes.url, "certificate-authority-data": ca}}],
            "users": [{"name": "sidecar", "user": {"tokenFile": str(token_file)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "sidecar"}}],
            "current-context": "test",
        }
    )
