"""How an API server is told to tell the sidecar: as a webhook, and as the backend of its audit log.

By address instead of by Service, because there is no Service network here; all else as the sidecar is registered
anywhere.
"""

import base64
import json
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.captures import DATA, LABEL
from tests.support.ports import free_ports

Json = dict[str, Any]

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "billing-sidecar"

_CAN_BILL = (
    "request.operation != 'UPDATE' || object.metadata.generation != oldObject.metadata.generation || "
    "(has(oldObject.metadata.deletionTimestamp) && size(object.metadata.?finalizers.orValue([])) == 0) || "
    f"object.metadata.?labels[?'{LABEL}'] != oldObject.metadata.?labels[?'{LABEL}']"
)

CA = DATA / "tls" / "old-ca.crt"
"""What `SERVER` is signed with."""
SERVER = DATA / "tls" / "old-server.pem"
"""Certificate and key of whoever plays a webhook on this machine; valid for 127.0.0.1."""


def webhook(url: str, configuration: str = NAME, **other: Any) -> Json:
    """The registration of a webhook at `url`, which shows the certificate `SERVER`; `other`: what differs in it."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": configuration},
        "webhooks": [
            {
                "name": "record.billing.pieced.ch",
                "clientConfig": {"url": url, "caBundle": base64.b64encode(CA.read_bytes()).decode()},
                "rules": [
                    {
                        "apiGroups": ["pieced.ch"],
                        "apiVersions": ["v1alpha1"],
                        "resources": ["piecedtenants"],
                        "operations": ["CREATE", "UPDATE", "DELETE"],
                        "scope": "Cluster",
                    }
                ],
                "matchConditions": [{"name": "can-bill", "expression": _CAN_BILL}],
                "matchPolicy": "Equivalent",
                "sideEffects": "NoneOnDryRun",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 1,
                "admissionReviewVersions": ["v1"],
                **other,
            }
        ],
    }


@dataclass(frozen=True)
class Hooks:
    """Where the sidecar will listen for the API server, with which certificate and token; files in `folder`."""

    folder: Path
    port: int
    token: str

    @property
    def url(self) -> str:
        """The sidecar's TLS address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def webhook_url(self) -> str:
        """Where it takes reviews."""
        return f"{self.url}/admission"

    @property
    def log(self) -> Path:
        """The file of the audit log, which the API server writes too."""
        return self.folder / "audit.log"

    @property
    def webhook(self) -> Json:
        """The registration of the sidecar's webhook."""
        return webhook(self.webhook_url)

    def settings(self, *, audited: bool = True) -> dict[str, str]:
        """The sidecar's variables. Without `audited` nobody may send it audit events."""
        settings = {
            "SIDECAR_HTTPS": f"127.0.0.1:{self.port}",
            "SIDECAR_TLS_CERT": str(SERVER),
            "SIDECAR_TLS_KEY": str(SERVER),
        }
        return settings | ({"SIDECAR_AUDIT_TOKEN_FILE": str(self.folder / "token")} if audited else {})

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts the sidecar's certificate."""
        return ssl.create_default_context(cafile=CA)

    def flags(self) -> list[str]:
        """What kube-apiserver is started with."""
        return [
            f"--audit-policy-file={self.folder / 'policy.json'}",
            f"--audit-webhook-config-file={self.folder / 'audit.kubeconfig'}",
            "--audit-webhook-batch-max-wait=1s",
            "--audit-webhook-initial-backoff=1s",
            f"--audit-log-path={self.log}",
        ]

    def write(self) -> None:
        """Write the files that the flags and settings name."""
        (self.folder / "token").write_text(self.token)
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {
                    "level": "RequestResponse",
                    "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                    "resources": [{"group": "pieced.ch", "resources": ["piecedtenants", "piecedtenants/status"]}],
                },
                {"level": "None"},
            ],
        }
        (self.folder / "policy.json").write_text(json.dumps(policy))
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "sidecar", "cluster": {"server": f"{self.url}/audit", "certificate-authority": str(CA)}}
            ],
            "users": [{"name": "api-server", "user": {"token": self.token}}],
            "contexts": [{"name": "sidecar", "context": {"cluster": "sidecar", "user": "api-server"}}],
            "current-context": "sidecar",
        }
        (self.folder / "audit.kubeconfig").write_text(json.dumps(kubeconfig))


def hooks(folder: Path) -> Hooks:
    """Hooks on a free port, with their files written into `folder`."""
    (port,) = free_ports(1)
    made = Hooks(folder, port, secrets.token_hex(16))
    made.write()
    return made
