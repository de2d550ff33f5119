"""docs/deploy.md, followed to the letter against a real API server, as far as it goes without nodes.

Every shell block is run in its order, but those that need a registry or a running pod.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.assets import asset
from tests.support.envtest import Kubernetes
from tests.support.manifests import MANIFESTS

GUIDE = (MANIFESTS.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
# What begins a block that needs more than an API server.
ELSEWHERE = ("podman ", "kubectl -n portal rollout", "kubectl -n portal exec")


def blocks(language: str) -> list[str]:
    """The code blocks of that language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, kubernetes: Kubernetes) -> dict[str, str]:
    """A gitops repository with the portal in it, and a person's environment."""
    portal = tmp_path / "apps" / "portal"
    portal.mkdir(parents=True)
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    shutil.copy(MANIFESTS / "examples" / "portal" / "portal.yaml", portal)
    (written,) = blocks("yaml")
    name = written.splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(written)
    return {
        "PATH": f"{asset('kubectl').parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(kubernetes.kubeconfig("admin")),
        "USER": "admin",
    }


def test_the_guide_can_be_followed_without_a_step_that_is_not_written_there(
    desk: dict[str, str], tmp_path: Path, kubernetes: Kubernetes
):
    kustomization = tmp_path / "apps" / "portal" / "kustomization.yaml"
    said = []
    for block in blocks("sh"):
        if block.startswith(ELSEWHERE):
            continue
        if "delete service" in block:  # "Add … to the kustomization"
            added = kustomization.read_text().replace(
                "components:\n", "components:\n  - ../../manifests/components/audit\n"
            )
            assert "  - ../../manifests/components/sidecar" in added
            (line,) = re.findall(r"Add `(.*components/audit)` to the kustomization", GUIDE)
            assert f"  - {line}\n" in added
            kustomization.write_text(added)
        if "billing-sidecar-tls " in block:  # what the certificates' Job has done by then
            job = [sys.executable, "-m", "sidecar", "certificates", "--namespace", "portal"]
            subprocess.run(job, env=desk, check=True, capture_output=True, timeout=120)
        done = subprocess.run(
            ["sh", "-ec", block], cwd=tmp_path, env=desk, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, block + done.stdout + done.stderr
        said.append(done.stdout)
    assert any("deployment.apps/portal serverside-applied" in each for each in said)
    files = {path.name for path in (tmp_path / "billing-sidecar").iterdir()}
    assert files == {"policy.yaml", "kubeconfig.yaml", "ca.crt", "token"}
    assert (tmp_path / "billing-sidecar" / "ca.crt").read_text().startswith("-----BEGIN CERTIFICATE-----\n")
    service = kubernetes.request("GET", "/api/v1/namespaces/portal/services/billing-sidecar")
    assert service["spec"]["clusterIP"] == "10.96.0.80"


def test_the_secrets_of_the_guide_are_those_that_the_manifests_read():
    text = "\n".join(path.read_text(encoding="utf-8") for path in MANIFESTS.rglob("*.yaml"))
    for name, key in re.findall(r"create secret generic (\S+)[\s\\]+--from-\w+=(\w+)=", GUIDE):
        assert name in text
        assert f"key: {key} " in text or f"/{key}]" in text


def test_every_path_of_the_guide_exists():
    for path in re.findall(r"`((?:manifests|schema)/[\w./-]+)`", GUIDE):
        assert (MANIFESTS.parent / path).exists(), path
    for path in re.findall(r"`(control-plane/[\w.]+)`", GUIDE):
        assert (MANIFESTS / "components" / "audit" / path).exists(), path
