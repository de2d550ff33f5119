"""A real etcd and kube-apiserver on loopback, from the binaries in KUBEBUILDER_ASSETS."""

import base64
import http.client
import json
import secrets
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.assets import asset
from tests.support.manifests import MANIFESTS, RIGHTS, collection, rendered
from tests.support.ports import free_ports
from tests.support.processes import Server
from tests.support.registration import WEBHOOKS

CRD = MANIFESTS / "components" / "crd" / "piecedtenants.yaml"
TENANTS = "/apis/pieced.ch/v1alpha1/piecedtenants"

_WATCH = f"{TENANTS}?watch=true"

# name: groups. `admin` may do everything; the rights of the others are in `_RBAC`.
USERS = {
    "admin": "system:masters",
    "alice": "",
    "bob": "",
    "carol": "",
    "controller": "",
}
# The sidecar's account and rights are those of the manifests; it is the portal's there.
SIDECAR = "sidecar"
SIDECAR_ACCOUNT = "/api/v1/namespaces/portal/serviceaccounts/portal"
_SIDECAR_RIGHTS = "examples/portal"
# Seconds; longer than any run of the tests of one server.
_TOKEN_SECONDS = 4 * 3600
# kube-apiserver is ready about 8 s after its start on two idle cores; this allows for busy ones.
_READY_SECONDS = 90.0


def _binding(role: str, *users: str) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user} for user in users],
    }


def _role(name: str, *rules: dict[str, list[str]]) -> dict[str, Any]:
    metadata = {"name": name}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": rules,
    }


_TENANTS_RULE = {"apiGroups": ["pieced.ch"], "resources": ["piecedtenants", "piecedtenants/status"]}
_RBAC = (
    _role("tenant-writer", {**_TENANTS_RULE, "verbs": ["*"]}),
    _binding("tenant-writer", "alice", "bob", "carol", "controller"),
    _role(
        "impersonate-carol",
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["carol"], "verbs": ["impersonate"]},
    ),
    _binding("impersonate-carol", "alice"),
)


class Kubernetes:
    """One etcd and one kube-apiserver, with the PiecedTenant definition, the users of `USERS`, and the sidecar.

    Everything blocks; in async tests call it by `asyncio.to_thread`.
    """

    def __init__(self, folder: Path, flags: Sequence[str] = ()) -> None:
        """Keeps everything in `folder`; `flags` are added to kube-apiserver's (audit files, for example)."""
        self.folder = folder
        self.tokens = {user: secrets.token_hex(16) for user in USERS}
        self.ca_file = folder / "certificates" / "apiserver.crt"
        self._flags = list(flags)
        self._etcd_port, self._peer_port, self.port = free_ports(3)
        self._etcd: Server | None = None
        self._apiserver: Server | None = None

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.port}"

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts this API server, whose generated file has its CA too."""
        return ssl.create_default_context(cafile=self.ca_file)

    def start(self) -> None:
        """Start both and install the definition, the users' rights, and the sidecar's account with its rights."""
        tokens = [f'{token},{user},{user},"{USERS[user]}"' for user, token in self.tokens.items()]
        (self.folder / "tokens.csv").write_text("\n".join(tokens) + "\n")
        self.start_etcd()
        self.start_apiserver()
        for body in _RBAC:
            self.request("POST", collection(body), body)
        self.tokens[SIDECAR] = self._sidecar_token()
        self.install(CRD.read_bytes())

    def start_apiserver(self) -> None:
        """Start kube-apiserver on the same port and data as before; returns when it is ready."""
        certificates = self.folder / "certificates"
        # Its generated serving key signs service account tokens too: one key less to make, without a tool.
        key = certificates / "apiserver.key"
        self._apiserver = Server(
            "kube-apiserver",
            [
                asset("kube-apiserver"),
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={certificates}",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                f"--service-account-issuer={self.url}",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-cluster-ip-range=10.96.0.0/16",  # as kind's; within kubeadm's
                "--allow-privileged=true",
                "--disable-admission-plugins=ServiceAccount",
                *self._flags,
            ],
            self.folder / "kube-apiserver.log",
        )
        self._apiserver.wait_until(self._is_ready, _READY_SECONDS)

    def stop_apiserver(self) -> None:
        """SIGTERM to kube-apiserver alone."""
        self._running_apiserver().stop()

    def kill_apiserver(self) -> None:
        """SIGKILL to kube-apiserver alone: open watches break off."""
        self._running_apiserver().kill()

    def restart_apiserver(self) -> None:
        """Kill kube-apiserver and start it again: its watch cache is empty then, etcd is as it was."""
        self.kill_apiserver()
        self.start_apiserver()

    def stop(self) -> None:
        """Stop both. Nothing is left running, also when `start` failed half-way."""
        if self._apiserver is not None:
            self._apiserver.kill()  # nothing to save: etcd has it, and its folder goes too
        if self._etcd is not None:
            self._etcd.stop()

    def stop_etcd(self) -> None:
        """SIGTERM to etcd alone; its data are in `etcd_data`. Stop kube-apiserver first: it holds what it read."""
        if self._etcd is None:
            raise RuntimeError("etcd has not been started")
        self._etcd.stop()

    @property
    def etcd_data(self) -> Path:
        """The folder with all that etcd knows, to be copied or put back while it is stopped."""
        return self.folder / "etcd"

    def compact_etcd(self) -> int:
        """Forget all revisions before the present one, physically; returns that revision."""
        reply = self._etcd_call("/v3/kv/range", {"key": base64.b64encode(b"\0").decode(), "limit": "1"})
        revision = int(reply["header"]["revision"])
        self._etcd_call("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def install(self, definition: bytes) -> None:
        """Create a CustomResourceDefinition from YAML, and wait until its tenants can be listed."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.request("POST", path, definition, content_type="application/yaml")
        self.wait_until_served()

    def register(self, webhook: dict[str, Any]) -> None:
        """Create a ValidatingWebhookConfiguration; the server calls it a moment later."""
        self.request("POST", WEBHOOKS, webhook)

    def wait_until_served(self) -> None:
        """Return when every user can watch tenants: not after creating or changing the definition at once."""
        # Until the definition is served it is 404 or 429; until the users' rights have got about, 403.
        self._running_apiserver().wait_until(
            lambda: all(self._status(_WATCH, user) == 200 for user in self.tokens), _READY_SECONDS
        )

    def _sidecar_token(self) -> str:
        """Create what `manifests/` says of accounts and rights, and get a token as a pod would."""
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": "portal"}})
        for body in rendered(_SIDECAR_RIGHTS):
            if body["kind"] in RIGHTS:
                self.request("POST", collection(body), body)
        asked = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        token: str = self.request("POST", f"{SIDECAR_ACCOUNT}/token", asked)["status"]["token"]
        return token

    def kubeconfig(self, user: str) -> Path:
        """A kubeconfig file (JSON, which YAML includes) for that user, or for the sidecar."""
        ca = base64.b64encode(self.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "admin",
        content_type: str = "application/json",
    ) -> Any:
        """One API call; `body` is bytes or becomes JSON. Returns the answer; RuntimeError if refused."""
        status, answer = self._call(method, path, body, user, content_type)
        if status >= 300:
            raise RuntimeError(f"{method} {path} was answered with {status}: {answer.decode(errors='replace')}")
        return json.loads(answer)

    def metrics(self) -> str:
        """The API server's own metrics, as Prometheus gets them."""
        status, answer = self._call("GET", "/metrics", None, "admin", "application/json")
        assert status == 200, answer
        return answer.decode()

    def _call(self, method: str, path: str, body: Any, user: str, content_type: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": content_type}
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.tls())
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _status(self, path: str, user: str = "admin") -> int | None:
        """The HTTP status of a GET, of which nothing more is read; None while nobody answers."""
        try:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.tls())
            try:
                connection.request("GET", path, headers={"Authorization": f"Bearer {self.tokens[user]}"})
                return connection.getresponse().status
            finally:
                connection.close()
        except OSError:  # not listening, or its certificate is not written yet
            return None

    def _is_ready(self) -> bool:
        # The namespace is made by the server itself, some time after it is ready for the first time. Watches
        # of custom resources are refused with 429 a little longer; before the definition is there, with 404.
        return (
            self._status("/readyz") == 200
            and self._status("/api/v1/namespaces/kube-system") == 200
            and self._status(_WATCH) in (200, 404)
        )

    def _running_apiserver(self) -> Server:
        if self._apiserver is None:
            raise RuntimeError("kube-apiserver has not been started")
        return self._apiserver

    def start_etcd(self) -> None:
        """Start etcd on the same port and with the data that are there; returns when it answers."""
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        self._etcd = Server(
            "etcd",
            [
                asset("etcd"),
                f"--data-dir={self.etcd_data}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
            ],
            self.folder / "etcd.log",
        )
        self._etcd.wait_until(self._etcd_is_ready, _READY_SECONDS)

    def _etcd_is_ready(self) -> bool:
        try:
            self._etcd_call("/v3/kv/range", {"key": base64.b64encode(b"\0").decode()})
        except (OSError, RuntimeError):  # not listening, or no leader yet
            return False
        return True

    def _etcd_call(self, path: str, body: dict[str, Any]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"etcd answered {path} with {answer.status}: {text.decode(errors='replace')}")
        return json.loads(text)


@contextmanager
def running_kubernetes(folder: Path, flags: Sequence[str] = ()) -> Iterator[Kubernetes]:
    """A started `Kubernetes`, stopped at the end whatever happens."""
    kubernetes = Kubernetes(folder, flags)
    try:
        kubernetes.start()
        yield kubernetes
    finally:
        kubernetes.stop()
