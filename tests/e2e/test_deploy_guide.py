"""docs/deploy.md, followed to the letter against a real API server, as far as it goes without nodes, there and back.

Every shell block is run in its order, but those that need a registry or a running pod.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.cluster import Reviews
from sidecar.web.callers import Callers
from tests.support.admin import admin_api
from tests.support.assets import asset
from tests.support.envtest import Kubernetes
from tests.support.kubectl import Kubectl
from tests.support.manifests import MANIFESTS
from tests.support.stand_ins import define_stand_ins
from tests.support.waiting import until

GUIDE = (MANIFESTS.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
INSTALLING, REMOVING = GUIDE.split("**Removing it.**")
# What begins a block that needs more than an API server.
ELSEWHERE = ("podman ", "kubectl -n portal rollout", "kubectl -n portal exec")
# What the guide says to do: components to add, and commands.
STEP = re.compile(r"Add `(\S+)`\s+to the\s+kustomization|^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The account that the sidecar runs as, and the components of the guide's kustomization: those that the others replace.
WAYS = {
    "portal": {},
    "billing-sidecar": {
        "sidecar": ["standalone", "persistent-spool"],
        "self-signed": ["cert-manager", "monitoring"],
    },
}
COMPONENT = "  - ../../manifests/components/"


@dataclass(frozen=True)
class Desk:
    """A gitops repository with the portal in it, and a person's environment."""

    folder: Path
    environment: dict[str, str]

    @property
    def kustomization(self) -> Path:
        """The file that section 3 is about."""
        return self.folder / "apps" / "portal" / "kustomization.yaml"

    def follow(self, block: str) -> str:
        """Run a block of commands; returns what it prints."""
        done = subprocess.run(
            ["sh", "-ec", block],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, block + done.stdout + done.stderr
        return done.stdout

    def install(self) -> list[str]:
        """Do what stands before "Removing it"; returns what each block printed."""
        said = []
        for component, block in STEP.findall(INSTALLING):
            if component:
                added = self.kustomization.read_text().replace("components:\n", f"components:\n  - {component}\n")
                self.kustomization.write_text(added)
            elif not block.startswith(ELSEWHERE):
                if "billing-sidecar-tls " in block:  # what the certificates' Job, or cert-manager, has done by then
                    job = [sys.executable, "-m", "sidecar", "certificates", "--namespace", "portal"]
                    subprocess.run(job, env=self.environment, check=True, capture_output=True, timeout=120)
                said.append(self.follow(block))
        return said


@pytest.fixture(scope="module")
def kubectl(kubernetes: Kubernetes) -> Kubectl:
    """As an administrator of a cluster with cert-manager's and Prometheus' definitions, and nothing of ours."""
    kubectl = Kubectl(kubernetes.kubeconfig("admin"))
    define_stand_ins(kubectl)
    ours = "app.kubernetes.io/name in (billing-sidecar, billing-sidecar-certificates)"
    kubectl("-n", "portal", "delete", "serviceaccounts,roles,rolebindings", "-l", ours)
    kubectl("delete", "clusterroles,clusterrolebindings", "-l", ours)
    assert left_of_ours(kubectl) == []
    return kubectl


@pytest.fixture
def desk(tmp_path: Path, kubernetes: Kubernetes) -> Desk:
    """With the guide's kustomization."""
    environment = {
        "PATH": f"{asset('kubectl').parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(kubernetes.kubeconfig("admin")),
        "USER": "admin",
    }
    desk = Desk(tmp_path, environment)
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    desk.kustomization.parent.mkdir(parents=True)
    shutil.copy(MANIFESTS / "examples" / "portal" / "portal.yaml", desk.kustomization.parent)
    written = GUIDE.split("```yaml\n")[1].split("```")[0]
    assert written.startswith("# apps/portal/kustomization.yaml\n")
    desk.kustomization.write_text(written)
    return desk


def left_of_ours(kubectl: Kubectl) -> list[str]:
    """What is in the portal's namespace beside the portal, and whatever bears our name: kind, namespace, name."""
    kinds = kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
    columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
    lines = kubectl("get", ",".join(kinds), "--all-namespaces", "--no-headers", "-o", columns).splitlines()
    portals = {("Deployment", "portal", "portal"), ("ServiceAccount", "portal", "portal")}
    return [
        line
        for line in lines
        if "billing" in line or (line.split()[1] == "portal" and tuple(line.split()) not in portals)
    ]


@pytest.mark.parametrize("account", WAYS)
async def test_the_guide_can_be_followed_there_and_back_without_a_step_that_is_not_written_there(
    desk: Desk, kubectl: Kubectl, kubernetes: Kubernetes, ledger_database: str, account: str
):
    written = desk.kustomization.read_text()
    for component, others in WAYS[account].items():
        assert f"{COMPONENT}{component}\n" in written
        written = written.replace(f"{COMPONENT}{component}\n", "".join(f"{COMPONENT}{other}\n" for other in others))
    desk.kustomization.write_text(written)

    said = await asyncio.to_thread(desk.install)
    assert any("deployment.apps/portal serverside-applied" in each for each in said)
    files = {path.name for path in (desk.folder / "billing-sidecar").iterdir()}
    assert files == {"policy.yaml", "kubeconfig.yaml", "ca.crt", "token"}
    assert (desk.folder / "billing-sidecar" / "ca.crt").read_text().startswith("-----BEGIN CERTIFICATE-----\n")
    service = kubernetes.request("GET", "/api/v1/namespaces/portal/services/billing-sidecar")
    assert service["spec"]["clusterIP"] == "10.96.0.80"

    kubernetes.tokens[account] = kubectl("-n", "portal", "create", "token", account)
    async with (
        Reviews.connect(kubernetes.kubeconfig(account)) as reviews,
        admin_api(ledger_database, desk.folder, Callers(None, reviews, "pieced-billing")) as api,
    ):
        bearer = said[-1].splitlines()[-1]

        async def let_in() -> bool:
            return (await api.call("GET", "/skills", bearer=bearer)).status == 200

        await until(let_in, "the portal's account is not let in")
        (await api.call("PUT", "/skills/jitsi/price", {"dailyPriceChf": "0.10"}, bearer=bearer)).ok()

    await asyncio.to_thread(remove, desk, kubectl)
    assert left_of_ours(kubectl) == []
    portal = kubectl("-n", "portal", "get", "deployment", "portal", "-o", "yaml")
    assert "image: registry.example.org/pieced-portal" in portal
    assert "billing" not in portal


def remove(desk: Desk, kubectl: Kubectl) -> None:
    """Do what stands below "Removing it"."""
    desk.kustomization.write_text("resources: [portal.yaml]\n")  # "the components and the base out"
    for _, block in STEP.findall(REMOVING):
        if "persistentvolumeclaims" in block:  # what a controller does when no pod has it any more
            claims = kubectl("-n", "portal", "get", "persistentvolumeclaims", "-o", "name").split()
            for claim in claims:
                kubectl("-n", "portal", "patch", claim, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        desk.follow(block)


def test_the_secrets_of_the_guide_are_those_that_the_manifests_read():
    text = "\n".join(path.read_text(encoding="utf-8") for path in MANIFESTS.rglob("*.yaml"))
    secrets = re.findall(r"create secret generic (\S+)[\s\\]+--from-\w+=(\w+)=", GUIDE)
    assert secrets
    for name, key in secrets:
        assert name in text
        assert f"key: {key} " in text or f"/{key}]" in text


def test_every_path_of_the_guide_exists():
    paths = re.findall(r"`((?:manifests|schema)/[\w./-]+)`", GUIDE)
    inside = re.findall(r"`(control-plane/[\w.]+)`", GUIDE)
    assert paths
    assert inside
    for path in paths:
        assert (MANIFESTS.parent / path).exists(), path
    for path in inside:
        assert (MANIFESTS / "components" / "audit" / path).exists(), path
