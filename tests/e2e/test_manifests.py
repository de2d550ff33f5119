"""The manifests on a real API server: rendered, and applied with strict validation.

There are no nodes, no controllers and no Service network: nothing here says that a pod starts.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.settings import Settings
from tests.support.envtest import Kubernetes
from tests.support.kubectl import Kubectl
from tests.support.manifests import MANIFESTS, Json, applied, apply, collection, of_kind, rendered
from tests.support.stand_ins import define_stand_ins

EXAMPLES = sorted(path.parent.name for path in (MANIFESTS / "examples").glob("*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in (MANIFESTS / "components").glob("*/kustomization.yaml"))

Kustomization = Callable[..., Path]


@pytest.fixture(scope="module")
def kubectl(kubernetes: Kubernetes) -> Kubectl:
    """As an administrator of a cluster that has what the examples ask for."""
    kubectl = Kubectl(kubernetes.kubeconfig("admin"))
    define_stand_ins(kubectl)
    kubectl("create", "namespace", "argocd")
    kubectl("label", "namespace", "portal", "pod-security.kubernetes.io/enforce=restricted")
    return kubectl


@pytest.fixture
def kustomization(tmp_path: Path) -> Kustomization:
    """Makes folders with a kustomization of the base and some components, as in somebody's gitops repository."""

    def made(*components: str, resources: tuple[str, ...] = ("base",), **more: Any) -> Path:
        folder = tmp_path / ("-".join(components) or "base")
        folder.mkdir()
        root = os.path.relpath(MANIFESTS, folder)
        content = {
            "resources": [f"{root}/{each}" for each in resources],
            "components": [f"{root}/components/{each}" for each in components],
            **more,
        }
        (folder / "kustomization.yaml").write_text(json.dumps(content))
        return folder

    return made


def pod_templates(objects: list[Json]) -> Iterator[Json]:
    """The pod template of each workload."""
    for each in objects:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if each["kind"] in ("Deployment", "Job", "CronJob"):
            yield template


def test_every_component_is_in_an_example():
    used = "".join((MANIFESTS / "examples" / each / "kustomization.yaml").read_text() for each in EXAMPLES)
    assert [each for each in COMPONENTS if f"components/{each}" not in used] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_applied_and_applied_again(kubectl: Kubectl, kubernetes: Kubernetes, example: str):
    folder = f"examples/{example}"
    objects = rendered(folder)

    def generations() -> list[Any]:
        paths = [f"{collection(each)}/{each['metadata']['name']}" for each in objects]
        return [kubernetes.request("GET", path)["metadata"].get("generation") for path in paths]

    with applied(kubectl, folder) as said:
        assert said.count("serverside-applied") == len(objects)
        before = generations()
        apply(kubectl, folder)
        assert generations() == before


@pytest.mark.usefixtures("kubectl")  # whose namespace enforces the strictest of the Pod Security Standards
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_pods_are_let_in_by_the_restricted_standard(kubernetes: Kubernetes, example: str):
    for template in pod_templates(rendered(f"examples/{example}")):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": template["spec"]}
        kubernetes.request("POST", "/api/v1/namespaces/portal/pods?dryRun=All", pod)


@pytest.mark.usefixtures("kubectl")
def test_other_pods_are_refused_by_that_standard(kubernetes: Kubernetes):
    pod = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "any", "image": "any"}]}}
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        kubernetes.request("POST", "/api/v1/namespaces/portal/pods?dryRun=All", pod)


@pytest.mark.parametrize("certificates", ["self-signed", "cert-manager"])
def test_standalone_needs_no_volume_of_its_own(kubectl: Kubectl, kustomization: Kustomization, certificates: str):
    with applied(kubectl, kustomization("standalone", certificates)) as said:
        assert "deployments/billing-sidecar serverside-applied" in said.replace(".apps", "s")


def test_the_settings_of_the_examples_are_accepted():
    for example in ("portal", "standalone"):
        (settings,) = (each for each in rendered(f"examples/{example}") if each["kind"] == "ConfigMap")
        read = Settings.from_environment({"DATABASE_URL": "postgresql://portal@db/portal", **settings["data"]})
        assert (read.audit_token_file is not None) == (example == "standalone")


def test_rights_are_for_the_names_that_are_written():
    """Kustomize changes names in the rules of roles too, when a ConfigMap or Secret of that name gets its hash."""
    names = {"kube-system", "billing-sidecar", "billing-sidecar-tls", "billing-sidecar-tls-ca"}
    for example in ("portal", "standalone"):
        roles = [each for each in rendered(f"examples/{example}") if each["kind"] in ("Role", "ClusterRole")]
        assert {name for role in roles for rule in role["rules"] for name in rule.get("resourceNames", [])} <= names
        assert "-settings-" in json.dumps(rendered(f"examples/{example}"))


def test_without_the_portals_deployment_the_component_refuses(kubectl: Kubectl, kustomization: Kustomization):
    refused = kubectl.run("kustomize", str(kustomization("sidecar")))
    assert refused.returncode != 0
    assert "nothing selected by Deployment" in refused.stderr


def test_the_two_ways_of_running_it_refuse_each_other(kubectl: Kubectl, kustomization: Kustomization):
    refused = kubectl.run("kustomize", str(kustomization("standalone", "sidecar")))
    assert refused.returncode != 0
    assert "already registered id: ClusterRoleBinding" in refused.stderr


@pytest.mark.parametrize("components", [("persistent-spool", "standalone"), ("persistent-spool",)])
def test_a_persistent_spool_without_the_standalone_deployment_before_it_is_refused(
    kubectl: Kubectl, kustomization: Kustomization, components: tuple[str, ...]
):
    refused = kubectl.run("kustomize", str(kustomization(*components)))
    assert refused.returncode != 0
    assert "no matches for Id Deployment.v1.apps/billing-sidecar.portal" in refused.stderr


@pytest.mark.parametrize("more", [{}, {"namespace": "elsewhere"}])
def test_a_persistent_spool_takes_the_place_of_the_pods_own(kustomization: Kustomization, more: dict[str, str]):
    deployment = of_kind(
        rendered(kustomization("standalone", "persistent-spool", **more)), "Deployment", "billing-sidecar"
    )
    (spool,) = (
        volume
        for volume in deployment["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "billing-sidecar-spool"
    )
    assert spool == {"name": spool["name"], "persistentVolumeClaim": {"claimName": "billing-sidecar-spool"}}


def test_another_account_of_the_portal_gets_the_rights(kustomization: Kustomization):
    patch = {"target": {"kind": "Deployment"}, "patch": '[{"op": "replace", "path": "/%s", "value": "web"}]'}
    patch["patch"] %= "spec/template/spec/serviceAccountName"
    portal = kustomization(resources=("examples/portal/portal.yaml",), patches=[patch])
    (portal / "portal.yaml").write_text((MANIFESTS / "examples" / "portal" / "portal.yaml").read_text())
    content = json.loads((portal / "kustomization.yaml").read_text())
    (portal / "kustomization.yaml").write_text(json.dumps(content | {"resources": ["portal.yaml"]}))
    folder = kustomization("sidecar")
    content = json.loads((folder / "kustomization.yaml").read_text())
    content["resources"].append(f"../{portal.name}")
    (folder / "kustomization.yaml").write_text(json.dumps(content))
    assert of_kind(rendered(folder), "ClusterRoleBinding", "billing-sidecar")["subjects"] == [
        {"kind": "ServiceAccount", "name": "web", "namespace": "portal"}
    ]


def test_the_definition_of_tenants_can_be_applied_and_is_not_pruned(kubectl: Kubectl, kustomization: Kustomization):
    folder = kustomization("crd", resources=())
    with applied(kubectl, folder) as said:
        assert "serverside-applied" in said
    (definition,) = rendered(folder)
    assert definition["metadata"]["annotations"] == {"argocd.argoproj.io/sync-options": "Prune=false"}


def test_no_example_overwrites_the_platforms_definition_of_tenants():
    for example in EXAMPLES:
        assert "CustomResourceDefinition" not in [each["kind"] for each in rendered(f"examples/{example}")]


@pytest.mark.parametrize("among_the_resources", [True, False])
def test_in_another_namespace_the_portals_account_gets_its_rights(
    kustomization: Kustomization, among_the_resources: bool
):
    """With the guide's patch where the account comes from elsewhere."""
    guide = (MANIFESTS.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
    patches = yaml.safe_load(guide.split("```yaml\n")[2].split("```")[0].replace("yours", "elsewhere"))
    account, deployment = (MANIFESTS / "examples" / "portal" / "portal.yaml").read_text().split("---\n")
    given = {"namespace": "elsewhere"} if among_the_resources else {"namespace": "elsewhere", **patches}
    folder = kustomization("sidecar", "callers", "self-signed", **given)
    (folder / "portal.yaml").write_text(f"{account}---\n{deployment}" if among_the_resources else deployment)
    content = json.loads((folder / "kustomization.yaml").read_text())
    content["resources"].append("portal.yaml")
    (folder / "kustomization.yaml").write_text(json.dumps(content))
    bindings = [each for each in rendered(folder) if each["kind"] == "ClusterRoleBinding"]
    assert sorted((each["metadata"]["name"], each["subjects"][0]["namespace"]) for each in bindings) == [
        ("billing-sidecar", "elsewhere"),
        ("billing-sidecar-certificates", "elsewhere"),
        ("pieced-billing-admin", "elsewhere"),
    ]


def test_another_namespace_is_one_line_but_for_two_names_in_the_cert_manager_component(kustomization: Kustomization):
    # A setting is merged into what it was called before.
    generator = {"name": "billing-sidecar-settings", "namespace": "portal", "behavior": "merge", "literals": ["A=b"]}
    folder = kustomization("standalone", "audit", "self-signed", namespace="elsewhere", configMapGenerator=[generator])
    assert "portal" not in json.dumps(rendered(folder))
    folder = kustomization("standalone", "cert-manager", namespace="elsewhere")
    assert json.dumps(rendered(folder)).count("portal") == 2
