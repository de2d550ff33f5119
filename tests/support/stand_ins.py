"""Definitions of what others define, so that manifests which have such objects can be applied."""

import json

from tests.support.kubectl import Kubectl
from tests.support.manifests import Json

# What others define, in examples and in two components: plural, kind, group, version. Their definitions here
# are stand-ins that take any content; what is applied under them is checked as YAML and no further.
_STAND_INS = (
    ("issuers", "Issuer", "cert-manager.io", "v1"),
    ("certificates", "Certificate", "cert-manager.io", "v1"),
    ("clusters", "Cluster", "postgresql.cnpg.io", "v1"),
    ("applications", "Application", "argoproj.io", "v1alpha1"),
    ("servicemonitors", "ServiceMonitor", "monitoring.coreos.com", "v1"),
    ("prometheusrules", "PrometheusRule", "monitoring.coreos.com", "v1"),
)


def define_stand_ins(kubectl: Kubectl) -> None:
    """Define them; they can be used at once."""
    definitions = [_stand_in(*each) for each in _STAND_INS]
    kubectl("create", "-f", "-", given="\n---\n".join(map(json.dumps, definitions)))
    names = [f"customresourcedefinition/{each['metadata']['name']}" for each in definitions]
    kubectl("wait", "--for=condition=Established", *names)


def _stand_in(plural: str, kind: str, group: str, version: str) -> Json:
    """A definition that takes any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }
