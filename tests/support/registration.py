"""How an API server is told to tell the sidecar, as `manifests/` say it: as a webhook, and as backend of its audit log.

Other than there are the addresses, because there is no Service network here, and the folders.
"""

import base64
import copy
import functools
import secrets
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.manifests import MANIFESTS, Json, of_kind, rendered
from tests.support.ports import free_ports

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "billing-sidecar"
CONTROL_PLANE = MANIFESTS / "components" / "audit" / "control-plane"

_ON_HOST = "/etc/kubernetes/billing-sidecar"
_SERVICE = "https://10.96.0.80:8443"
_IN_CLUSTER = "billing-sidecar.portal.svc"


@functools.cache
def _registered() -> Json:
    return of_kind(rendered("base"), "ValidatingWebhookConfiguration", NAME)


def webhook(url: str, ca: Path, configuration: str = NAME, **other: Any) -> Json:
    """The registration, of the webhook at `url` whose certificate `ca` has signed; `other`: what else differs."""
    body = copy.deepcopy(_registered())
    body["metadata"]["name"] = configuration
    (registered,) = body["webhooks"]
    bundle = base64.b64encode(ca.read_bytes()).decode()
    registered |= {"clientConfig": {"url": url, "caBundle": bundle}, **other}
    return body


def audit_flags(folder: Path, port: int, ca: Path, token: str) -> list[str]:
    """Write the files of a control-plane host into `folder`; returns the API server's flags that name them.

    The backend listens on `port` of this machine, and shows a certificate that `ca` has signed for the Service.
    """
    shutil.copy(CONTROL_PLANE / "policy.yaml", folder)
    shutil.copy(ca, folder / "ca.crt")
    (folder / "token").write_text(f"{token}\n")
    kubeconfig = (CONTROL_PLANE / "kubeconfig.yaml").read_text()
    assert _SERVICE in kubeconfig
    moved = kubeconfig.replace(_SERVICE, f"https://127.0.0.1:{port}").replace(_ON_HOST, str(folder))
    (folder / "kubeconfig.yaml").write_text(moved)
    arguments = yaml.safe_load((CONTROL_PLANE / "kubeadm.yaml").read_text())["apiServer"]["extraArgs"]
    return [f"--{each['name']}={each['value']}".replace(_ON_HOST, str(folder)) for each in arguments]


@dataclass(frozen=True)
class Hooks:
    """Where the sidecar will listen for the API server, with which certificate and token. Its files are in `folder`."""

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
    def certificate(self) -> Path:
        """For whoever plays a webhook on this machine, as its key is."""
        return self.folder / "tls" / "tls.crt"

    @property
    def key(self) -> Path:
        """The certificate's."""
        return self.folder / "tls" / "tls.key"

    @property
    def ca(self) -> Path:
        """What has signed the certificate."""
        return self.folder / "tls" / "ca.crt"

    @property
    def log(self) -> Path:
        """The file of the audit log, which the API server writes too."""
        return self.folder / "audit.log"

    @property
    def webhook(self) -> Json:
        """The registration of the sidecar's webhook."""
        return webhook(self.webhook_url, self.ca)

    def settings(self) -> dict[str, str]:
        """The sidecar's variables."""
        return {
            "SIDECAR_HTTPS": f"127.0.0.1:{self.port}",
            "SIDECAR_TLS_CERT": str(self.certificate),
            "SIDECAR_TLS_KEY": str(self.key),
            "SIDECAR_AUDIT_TOKEN_FILE": str(self.folder / "token"),
        }

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts the sidecar's certificate."""
        return ssl.create_default_context(cafile=self.ca)

    def flags(self) -> list[str]:
        """What kube-apiserver is started with. Of two values of a flag it takes the last."""
        return [
            *audit_flags(self.folder, self.port, self.ca, self.token),
            "--audit-webhook-batch-max-wait=1s",
            "--audit-webhook-initial-backoff=1s",
            f"--audit-log-path={self.log}",
        ]


def hooks(folder: Path) -> Hooks:
    """Hooks on a free port, with a certificate in `folder` that the sidecar's own command has made."""
    (port,) = free_ports(1)
    made = Hooks(folder, port, secrets.token_hex(16))
    command = ["certificates", "--dir", str(made.ca.parent), "--host", _IN_CLUSTER]
    subprocess.run([sys.executable, "-m", "sidecar", *command], check=True, capture_output=True, timeout=60)
    (folder / "token").write_text(f"{made.token}\n")
    return made
