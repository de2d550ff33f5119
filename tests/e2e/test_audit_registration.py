"""The audit log, sent by a kube-apiserver that was given the flags and files of components/audit/control-plane.

Two things are other than there: the folder, and the address, because there is no Service network here. The name in the
certificate is the Service's, as in a cluster.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.envtest import TENANTS, Kubernetes, running_kubernetes
from tests.support.manifests import Json, rendered
from tests.support.registration import CONTROL_PLANE, audit_flags
from tests.support.tenants import MERGE, tenant
from tests.support.waiting import until

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "in-cluster.pem"  # the Service's name; its own CA
TOKEN = "of-the-audit-log"  # noqa: S105 - of this test alone


class Sink:
    """Takes what is POSTed over TLS: `received` has path, Authorization and body of each request.

    `answers`: the statuses of the next answers, the last one first; afterwards 200.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, str | None, Json]] = []
        self.answers: list[int] = []
        received, answers = self.received, self.answers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((self.path, self.headers["Authorization"], body))
                self.send_response(answers.pop() if answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """A request is in `received`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def events(self) -> list[Json]:
        """All audit events so far."""
        return [event for _, _, body in self.received for event in body["items"]]


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[tuple[Kubernetes, Sink]]:
    """An API server that sends its audit log to a sink."""
    sink = Sink()
    host = tmp_path / "host"
    host.mkdir()
    # Not the 10 s after which it tries for the second time by default.
    flags = [*audit_flags(host, sink.port, CERTIFICATE, TOKEN), "--audit-webhook-initial-backoff=100ms"]
    (tmp_path / "kubernetes").mkdir()
    with sink.serving(), running_kubernetes(tmp_path / "kubernetes", flags) as kubernetes:
        yield kubernetes, sink


async def test_the_files_make_the_api_server_send_whole_changes_of_tenants_with_the_token(
    audited: tuple[Kubernetes, Sink],
):
    kubernetes, sink = audited
    kubernetes.request("POST", TENANTS, tenant("acme", "jitsi"), user="alice")
    kubernetes.request("GET", f"{TENANTS}/acme", user="bob")
    status: Any = {"status": {"phase": "Ready"}}
    kubernetes.request("PATCH", f"{TENANTS}/acme/status", status, user="controller", content_type=MERGE)
    kubernetes.request("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    kubernetes.request("DELETE", f"{TENANTS}/acme", user="carol")

    async def deleted() -> bool:
        return any(event["verb"] == "delete" for event in sink.events())

    await until(deleted, "the deletion never came")
    # The API server adds how long it waits, /audit?timeout=30s; that is no part of the path.
    called = {(path.partition("?")[0], authorization) for path, authorization, _ in sink.received}
    assert called == {("/audit", f"Bearer {TOKEN}")}
    assert [(event["user"]["username"], event["verb"]) for event in sink.events()] == [
        ("alice", "create"),
        ("carol", "delete"),
    ]
    created, _ = sink.events()
    assert (created["level"], created["stage"]) == ("RequestResponse", "ResponseComplete")
    assert created["responseObject"]["spec"] == {"packages": ["jitsi"]}


async def test_what_is_refused_while_the_token_is_another_one_comes_again(audited: tuple[Kubernetes, Sink]):
    kubernetes, sink = audited
    sink.answers[:] = [401] * 4
    kubernetes.request("POST", TENANTS, tenant("acme", "jitsi"), user="alice")

    async def five_times() -> bool:
        return len(sink.received) == 5

    await until(five_times, "the batch did not come five times")
    assert sink.answers == []
    assert {body["items"][0]["auditID"] for _, _, body in sink.received} == {sink.events()[0]["auditID"]}


def test_the_example_has_the_address_and_the_token_that_the_files_name():
    objects = {each["kind"]: each for each in rendered("examples/standalone")}
    server = yaml.safe_load((CONTROL_PLANE / "kubeconfig.yaml").read_text())["clusters"][0]["cluster"]["server"]
    assert objects["Service"]["spec"]["clusterIP"] in server
    assert objects["ConfigMap"]["data"]["SIDECAR_AUDIT_TOKEN_FILE"] == "/etc/sidecar/tokens/audit"  # noqa: S105
