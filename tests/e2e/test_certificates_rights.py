"""The certificates' Job of the manifests: its command, as its ServiceAccount, on a real API server."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.envtest import Kubernetes
from tests.support.kubectl import Kubectl
from tests.support.manifests import Json, applied, of_kind, rendered
from tests.support.rights import Right, give, rights, until_it_may, until_it_may_not, without

EXAMPLE = "examples/portal"
ACCOUNT = "billing-sidecar-certificates"
PORTAL = "/api/v1/namespaces/portal"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = {
    "secrets": f"{RBAC}/namespaces/portal/roles/{ACCOUNT}",
    "validatingwebhookconfigurations.admissionregistration.k8s.io": f"{RBAC}/clusterroles/{ACCOUNT}",
}
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/billing-sidecar"
SECRETS = ("billing-sidecar-tls", "billing-sidecar-tls-ca")

MISSED = {
    Right("get", "secrets"),
    Right("patch", "secrets"),
    Right("get", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
    Right("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
}


@dataclass(frozen=True)
class Job:
    """The Job's command, to be run by its account."""

    arguments: list[str]
    environment: dict[str, str]

    def run(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sidecar", *self.arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def __call__(self) -> str:
        """What it prints; it must succeed."""
        done = self.run()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def job(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[Job]:
    """While the example is applied and there are no certificates yet."""
    (container,) = of_kind(rendered(EXAMPLE), "Job", ACCOUNT)["spec"]["template"]["spec"]["containers"]
    with applied(Kubectl(kubernetes.kubeconfig("admin")), EXAMPLE):
        for right in MISSED:  # its roles were made a moment ago
            name = SECRETS[0] if right.resource == "secrets" else "billing-sidecar"
            until_it_may(kubernetes, ACCOUNT, right, name)
        asked = {"spec": {"expirationSeconds": 600}}
        token = kubernetes.request("POST", f"{PORTAL}/serviceaccounts/{ACCOUNT}/token", asked)["status"]["token"]
        config = json.loads(kubernetes.kubeconfig("admin").read_text())
        config["users"][0]["user"] = {"token": token}
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        arguments = [each.replace("$(NAMESPACE)", "portal") for each in container["args"]]
        yield Job(arguments, {"PATH": os.environ["PATH"], "KUBECONFIG": str(path)})


def test_the_job_makes_what_the_manifests_mount_and_the_webhook_trusts(kubernetes: Kubernetes, job: Job):
    job()
    secret = kubernetes.request("GET", f"{PORTAL}/secrets/billing-sidecar-tls")["data"]
    assert {"tls.crt", "tls.key", "ca.crt"} <= set(secret)
    (webhook,) = kubernetes.request("GET", WEBHOOK)["webhooks"]
    assert webhook["clientConfig"]["caBundle"] == secret["ca.crt"]
    job()
    assert kubernetes.request("GET", f"{PORTAL}/secrets/billing-sidecar-tls")["data"] == secret


def test_each_right_of_the_job_is_one_that_is_missed():
    roles = [each for each in rendered(EXAMPLE) if each["kind"] in ("Role", "ClusterRole")]
    mine = [each for each in roles if each["metadata"]["name"] == ACCOUNT]
    assert {right for role in mine for right in rights(role)} == MISSED
    secrets = [rule for role in mine for rule in role["rules"] if rule["resources"] == ["secrets"]]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in secrets] == [
        (["get", "patch"], list(SECRETS)),
    ]


@pytest.mark.parametrize("right", sorted(MISSED), ids=lambda right: f"{right.verb}-{right.resource}")
def test_without_a_right_the_job_fails_and_says_which_one_is_missing(kubernetes: Kubernetes, job: Job, right: Right):
    if right == Right("patch", "secrets"):  # is needed when there is something to renew
        job()
        spoilt = {"data": {"tls.crt": base64.b64encode(b"spoilt").decode()}}
        path = f"{PORTAL}/secrets/billing-sidecar-tls"
        kubernetes.request("PATCH", path, spoilt, content_type="application/merge-patch+json")
    role: Json = kubernetes.request("GET", ROLES[right.resource])
    give(kubernetes, ROLES[right.resource], without(role, right)["rules"])
    until_it_may_not(kubernetes, ACCOUNT, right, SECRETS[0] if right.resource == "secrets" else "billing-sidecar")
    done = job.run()
    assert done.returncode != 0
    assert f"cannot {right.verb} resource" in done.stderr, done.stderr
    assert right.resource.partition(".")[0] in done.stderr
