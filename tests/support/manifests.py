"""What `manifests/` says, as kubectl renders it."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.assets import asset
from tests.support.kubectl import Kubectl

Json = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
RIGHTS = frozenset({"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})


def rendered(folder: str | Path) -> list[Json]:
    """The objects of a folder of `manifests/` (or of any other, by its whole path), as kustomize makes them."""
    done = subprocess.run(
        [asset("kubectl"), "kustomize", MANIFESTS / folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def of_kind(objects: Iterable[Json], kind: str, name: str) -> Json:
    """The one object of that kind and name."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def collection(body: Json) -> str:
    """The path that objects like this one are created at: of its group, version, namespace and (regular) plural."""
    group, kind = body["apiVersion"], body["kind"].lower()
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    namespace = body["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def apply(kubectl: Kubectl, folder: str | Path) -> str:
    """Apply a folder as docs/deploy.md says; returns what kubectl says."""
    return kubectl("apply", "--server-side", "--validate=strict", "-k", str(MANIFESTS / folder))


@contextmanager
def applied(kubectl: Kubectl, folder: str | Path) -> Iterator[str]:
    """A folder, applied; gives what kubectl said. At the end all of it is deleted but the tenants' definition."""
    try:
        yield apply(kubectl, folder)
    finally:
        objects = [each for each in rendered(folder) if each["kind"] != "CustomResourceDefinition"]
        given = "\n---\n".join(map(json.dumps, objects))
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", given=given)
