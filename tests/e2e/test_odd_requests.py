"""What clients may send a real kube-apiserver, and what its audit log makes of it: none of it hides what was done."""

import json
from pathlib import Path

import pytest

from sidecar.audit import Batch, Left, read
from sidecar.facts import Attribution, Seen
from tests.support.captures import RESOURCE
from tests.support.envtest import Kubernetes, running_kubernetes
from tests.support.tenants import MERGE, PATH, tenant

HIDING = ["dryRun=All;", "dryRun=All%zz"]
"""In the address: what reads like a dry run, and is none for the API server."""

POLICY = Path(__file__).parents[2] / "manifests" / "components" / "audit" / "control-plane" / "policy.yaml"

ODD = {
    "b": b"1" * 5_000,  # refused, and in the log all the same
    "c": b'"\xff\xfe"',
    "d": b'"\\ud800"',
    "e": b"[" * 9_000 + b"]" * 9_000,
    "f": b"1e99999",  # refused
    "g": b'"' + b"<" * 300_000 + b'"',  # in the log each byte is six
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def log(folder: Path) -> list[bytes]:
    """The audit log of one tenant that was patched oddly and then deleted, in two ways."""
    written, kept = folder / "audit.log", folder / "kubernetes"
    kept.mkdir()
    with running_kubernetes(kept, [f"--audit-policy-file={POLICY}", f"--audit-log-path={written}"]) as kubernetes:
        kubernetes.request("POST", PATH, tenant("acme", "a", finalizers=["pieced.ch/hold"]))
        for package, odd in ODD.items():
            _send(kubernetes, "PATCH", b'{"spec":{"packages":["%s"]},"odd":%s}' % (package.encode(), odd), MERGE)
        for package, query in zip("xy", HIDING, strict=True):
            _send(kubernetes, "PATCH", b'{"spec":{"packages":["%s"]}}' % package.encode(), MERGE, query)
        _send(kubernetes, "DELETE", b'{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}')
        _send(kubernetes, "DELETE", b"", query="dryRun=All")
        _send(
            kubernetes,
            "DELETE",
            b'{"kind":"DeleteOptions","apiVersion":"v1","orphanDependents":false}',
            query="dryRun=All",
        )
    return written.read_bytes().splitlines()


def _send(
    kubernetes: Kubernetes, method: str, body: bytes, content_type: str = "application/json", query: str = ""
) -> None:
    kubernetes._call(method, f"{PATH}/acme?{query}", body, "admin", content_type)  # whatever is answered


def test_what_a_client_put_into_its_patch_or_its_address_does_not_hide_what_it_did(log):
    told = [read(line, RESOURCE) for line in log]
    seen = [fact for each in told if not isinstance(each, Left) for fact in each.facts if isinstance(fact, Seen)]
    assert [fact.packages for fact in seen] == [("a",), ("c",), ("d",), ("e",), ("g",), ("x",), ("y",), ("y",)]
    assert [fact.generation for fact in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [each.reason for each in told if isinstance(each, Left)] == ["failed", "failed", "dry_run", "dry_run"]


def test_a_deletion_that_is_answered_202_is_one(log):
    told = read(log[-1], RESOURCE)
    assert json.loads(log[-1])["responseStatus"]["code"] == 202
    assert not isinstance(told, Left)
    (by,) = [fact for fact in told.facts if isinstance(fact, Attribution)]
    assert (by.actor, by.operation, by.generation) == ("admin", "delete", 8)


def test_in_one_batch_they_spoil_nothing(log):
    """The log backend writes an event as the webhook backend does, which puts commas between them."""
    batch = Batch()
    body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + b",".join(log) + b"]}"
    found = [event for at in range(0, len(body), 2**14) for event in batch.feed(body[at : at + 2**14])]
    batch.finish()
    assert found == log
