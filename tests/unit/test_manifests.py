"""The manifests say what the code does: settings, ports, times, accounts; and agree with one another."""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import service
from sidecar.settings import REQUIRED, Settings
from sidecar.web import server, webhooks

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
Json = dict[str, Any]


def objects(*path: str) -> list[Json]:
    return [each for each in yaml.safe_load_all(MANIFESTS.joinpath(*path).read_text(encoding="utf-8")) if each]


def document(*path: str) -> Json:
    (only,) = objects(*path)
    return only


def container(component: str) -> Json:
    pod = document("components", component, "deployment.yaml")["spec"]["template"]["spec"]
    (found,) = pod.get("initContainers", []) + pod.get("containers", [])
    return found


def settings() -> dict[str, str]:
    lines = (MANIFESTS / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


BOTH = pytest.mark.parametrize("component", ["sidecar", "standalone"])


def test_the_settings_are_all_there_with_their_defaults() -> None:
    fields = {each.metadata["variable"]: each.metadata["default"] for each in dataclasses.fields(Settings)}
    assert fields.pop("DATABASE_URL") is REQUIRED
    given = settings()
    assert given.pop("SIDECAR_LOG") == "json"  # what the default comes to in a pod, said aloud
    assert given == {variable: default or "" for variable, default in fields.items() if variable != "SIDECAR_LOG"}


def test_the_settings_are_accepted() -> None:
    read = Settings.from_environment({"DATABASE_URL": "postgresql://portal@db/portal", **settings()})
    assert read.log == "json"


def test_every_setting_follows_a_comment() -> None:
    text = (MANIFESTS / "base" / "settings.env").read_text(encoding="utf-8")
    for stretch in text.split("\n\n"):
        lines = stretch.strip().splitlines()
        assert lines[0].startswith("# "), stretch
        assert all(re.fullmatch(r"# .*|[A-Z_]+=\S*", line) for line in lines), stretch


def test_whatever_a_manifest_sets_is_a_setting() -> None:
    variables = {each.metadata["variable"] for each in dataclasses.fields(Settings)}
    text = "\n".join(path.read_text(encoding="utf-8") for path in MANIFESTS.rglob("*") if path.is_file())
    assert set(re.findall(r"\bSIDECAR_[A-Z_]+\b", text)) <= variables


@BOTH
def test_the_database_comes_from_a_secret_and_the_rest_from_the_settings(component: str) -> None:
    sidecar = container(component)
    assert sidecar["envFrom"] == [{"configMapRef": {"name": "billing-sidecar-settings"}}]
    secret = {"secretKeyRef": {"name": "billing-sidecar-database", "key": "url"}}
    assert {"name": "DATABASE_URL", "valueFrom": secret} in sidecar["env"]


@BOTH
def test_ports_and_paths_are_those_of_the_settings(component: str) -> None:
    read = Settings.from_environment({"DATABASE_URL": "postgresql://portal@db/portal", **settings()})
    sidecar, (configuration,) = container(component), objects("base", "webhook.yaml")
    ports = {port["name"]: port["targetPort"] for port in document("base", "service.yaml")["spec"]["ports"]}
    assert ports == {"http": read.http.port, "https": read.https.port}
    assert [port["containerPort"] for port in sidecar["ports"]] == [read.http.port, read.https.port]
    assert configuration["webhooks"][0]["clientConfig"]["service"]["port"] == read.https.port
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in sidecar["volumeMounts"]}
    assert mounts["billing-sidecar-spool"] == read.spool.parent
    assert mounts["billing-sidecar-tls"] == read.tls_cert.parent == read.tls_key.parent
    assert {"name": "TMPDIR", "value": str(read.spool.parent)} in sidecar["env"]
    (merged,) = document("components", "audit", "kustomization.yaml")["configMapGenerator"]
    assert merged["literals"] == [f"SIDECAR_AUDIT_TOKEN_FILE={mounts['billing-sidecar-tokens']}/audit"]


def test_what_is_watched_is_what_is_registered_and_allowed() -> None:
    given = settings()
    (webhook,) = document("base", "webhook.yaml")["webhooks"]
    (rule,) = webhook["rules"]
    assert rule["apiGroups"] == [given["SIDECAR_GROUP"]]
    assert rule["apiVersions"] == [given["SIDECAR_VERSION"]]
    assert rule["resources"] == [given["SIDECAR_PLURAL"]]
    (condition,) = webhook["matchConditions"]
    assert set(re.findall(r"labels\[\?'(.*?)'\]", condition["expression"])) == {given["SIDECAR_ORG_LABEL"]}
    (allowed,) = (rule for rule in document("base", "rbac.yaml")["rules"] if "watch" in rule["verbs"])
    assert (allowed["apiGroups"], allowed["resources"]) == (rule["apiGroups"], rule["resources"])
    audited = document("components", "audit", "control-plane", "policy.yaml")["rules"][0]["resources"]
    assert audited == [{"group": given["SIDECAR_GROUP"], "resources": [given["SIDECAR_PLURAL"]]}]


def test_whoever_changes_what_is_watched_is_told_of_every_file_that_names_it() -> None:
    named = set()
    for path in MANIFESTS.rglob("*.yaml"):
        without_comments = re.sub("#.*", "", path.read_text(encoding="utf-8"))
        if settings()["SIDECAR_PLURAL"] in without_comments:  # and the group beside it
            named.add("components/crd" if path.parent.name == "crd" else path.name)
    assert named == {"webhook.yaml", "rbac.yaml", "policy.yaml", "components/crd"}
    guide = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    told = guide.split("**Another resource or label**")[1].split("\n\n")[0]
    comment = (MANIFESTS / "base" / "settings.env").read_text(encoding="utf-8").split("SIDECAR_GROUP=")[0]
    assert [each for each in named if each not in told or each not in comment] == []


def test_the_two_ways_of_running_differ_in_their_probes_alone() -> None:
    sidecar, standalone = container("sidecar"), container("standalone")
    assert sidecar.pop("restartPolicy") == "Always"
    assert "readinessProbe" not in sidecar
    assert "startupProbe" not in sidecar
    assert sidecar["livenessProbe"].pop("initialDelaySeconds") == 60
    assert standalone.pop("readinessProbe")["httpGet"]["path"] == "/readyz"
    assert standalone.pop("startupProbe")["httpGet"]["path"] == "/healthz"
    assert sidecar == standalone


@BOTH
def test_a_hung_sidecar_is_killed_within_seconds(component: str) -> None:
    probe = container(component)["livenessProbe"]
    found = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    # So long did a contended write take at the median against a hung webhook, and 34 s until the server gave it up.
    assert found + probe["terminationGracePeriodSeconds"] < 21
    assert probe["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize(("component", "before"), [("sidecar", 30), ("standalone", 0)])
def test_the_grace_period_holds_the_last_requests_and_the_last_flush(component: str, before: int) -> None:
    """`before`: seconds that the portal's own containers may take, by Kubernetes' default."""
    pod = document("components", component, "deployment.yaml")["spec"]["template"]["spec"]
    spare = 5  # to close what is open, and for a busy node
    needed = webhooks._LAST_SECONDS + server._LAST_SECONDS + service._LAST_FLUSH
    assert pod["terminationGracePeriodSeconds"] >= before + needed + spare


@BOTH
def test_the_volume_holds_the_spool_three_times(component: str) -> None:
    (spool,) = (
        volume
        for volume in document("components", component, "deployment.yaml")["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "billing-sidecar-spool"
    )
    claim = document("components", "persistent-spool", "claim.yaml")
    least = 3 * int(settings()["SIDECAR_SPOOL_MAX_MB"])
    for size in (spool["emptyDir"]["sizeLimit"], claim["spec"]["resources"]["requests"]["storage"]):
        assert int(size.removesuffix("Gi")) * 1024 >= least


def test_the_address_of_the_audit_log_is_the_services() -> None:
    (cluster,) = document("components", "audit", "control-plane", "kubeconfig.yaml")["clusters"]
    service = document("base", "service.yaml")["metadata"]
    address = document("components", "audit", "service.yaml")["spec"]["clusterIP"]
    assert cluster["cluster"]["server"] == f"https://{address}:{settings()['SIDECAR_HTTPS'].split(':')[1]}/audit"
    name = f"{service['name']}.{service['namespace']}.svc"
    assert cluster["cluster"]["tls-server-name"] == name
    certificates = objects("components", "cert-manager", "certificates.yaml")
    (serving,) = (each for each in certificates if each["spec"].get("dnsNames"))
    assert serving["spec"]["dnsNames"] == [name]
    assert serving["spec"]["secretName"] == "billing-sidecar-tls"


def test_kubeadm_kind_and_k3s_are_given_the_same_flags() -> None:
    folder = ("components", "audit", "control-plane")
    kubeadm = {arg["name"]: arg["value"] for arg in document(*folder, "kubeadm.yaml")["apiServer"]["extraArgs"]}
    k3s = dict(arg.split("=", 1) for arg in document(*folder, "k3s.yaml")["kube-apiserver-arg"])
    (patch,) = objects(*folder, "kube-apiserver+json.yaml")
    *flags, mount, volume = (each["value"] for each in patch)
    kind = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    assert kubeadm == kind == k3s
    (files,) = document(*folder, "kubeadm.yaml")["apiServer"]["extraVolumes"]
    assert mount == {key: files[key] for key in ("name", "mountPath", "readOnly")}
    assert volume == {"name": files["name"], "hostPath": {"path": files["hostPath"], "type": files["pathType"]}}


def test_kind_makes_a_cluster_before_there_is_any_file_for_the_audit_log() -> None:
    """The CA is made in it; kubeadm takes the flags later, from the folder that is mounted."""
    folder = ("components", "audit", "control-plane")
    (node,) = document(*folder, "kind.yaml")["nodes"]
    (patch,) = map(yaml.safe_load, node["kubeadmConfigPatches"])
    (mounted,) = (each["containerPath"] for each in node["extraMounts"])
    assert patch == {"kind": "InitConfiguration", "patches": {"directory": mounted}}
    (files,) = document(*folder, "kubeadm.yaml")["apiServer"]["extraVolumes"]
    assert mounted == files["hostPath"]


def test_job_and_cronjob_do_the_same() -> None:
    job = document("components", "self-signed", "job.yaml")["spec"]
    cronjob = document("components", "self-signed", "cronjob.yaml")["spec"]["jobTemplate"]["spec"]
    assert job["template"] == cronjob["template"]


def test_the_image_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in MANIFESTS.rglob("*.yaml"))
    assert set(re.findall(r"image: pieced-billing-sidecar:(\S+)", text)) == {version}
    assert set(re.findall(r"newTag: (\S+)", text)) == {version}


def test_no_file_is_left_out() -> None:
    """Each YAML file is named by the kustomization beside it, or lies in a folder that is for the control plane."""
    for path in MANIFESTS.rglob("*.yaml"):
        if path.name == "kustomization.yaml" or path.parent.name == "control-plane":
            continue
        assert re.search(
            rf"\b{re.escape(path.name)}$", (path.parent / "kustomization.yaml").read_text(), re.MULTILINE
        ), path
