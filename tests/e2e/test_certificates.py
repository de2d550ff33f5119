"""The certificates on a real API server: made, kept and renewed with the rights that the guide gives, and believed."""

import asyncio
import base64
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sidecar.answers import Answered
from sidecar.certificates import names
from sidecar.certificates.issuing import (
    AUTHORITY_LIFE,
    read_certificates,
    read_issued,
    signed_by,
)
from sidecar.certificates.keeping import Keeping, Places
from sidecar.certificates.renewal import AUTHORITY_LEAD
from sidecar.cluster import TlsObjects
from sidecar.web.certificate import ServingCertificate
from tests.support.envtest import Kubernetes
from tests.support.tenants import PATH
from tests.support.waiting import until

NAMESPACE = "portal"  # of the manifests, and there already
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
GUIDE = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()
PLACES = Places("billing-sidecar-tls", "billing-sidecar")
NAMES = names.of_service("billing-sidecar", NAMESPACE, [names.host("127.0.0.1")])
USER = "bob"  # a person without rights for any of this, until a test grants them


def manifests(number: int) -> list[bytes]:
    """The objects in a YAML block of the guide."""
    return [each.encode() for each in GUIDE.split("```yaml\n")[1 + number].split("```", 1)[0].split("---\n")]


def registration(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": PLACES.webhook},
        "webhooks": [
            {
                "name": f"{name}.billing.pieced.ch",
                "clientConfig": {"url": url},
                "rules": [
                    {
                        "apiGroups": ["pieced.ch"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": ["piecedtenants"],
                    }
                ],
                "failurePolicy": "Fail",  # so that a certificate which is not trusted shows at once
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 5,
            }
            for name in ("one", "two")
        ],
    }


def binding(kind: str, within: dict[str, str]) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": "guide", **within},
        "roleRef": {"apiGroup": api, "kind": kind, "name": "guide"},
        "subjects": [{"kind": "User", "apiGroup": api, "name": USER}],
    }


@pytest.fixture(scope="module")
def granted(kubernetes: Kubernetes) -> Kubernetes:
    """The API server with the guide's Role and ClusterRole, bound to USER."""
    # Under another name, because the rights of the manifests are there already.
    role, cluster_role = (each.replace(b"name: billing-sidecar-certificates", b"name: guide") for each in manifests(0))
    within = {"namespace": NAMESPACE}
    namespaced = f"{RBAC}/namespaces/{NAMESPACE}"
    kubernetes.request("POST", f"{namespaced}/roles", role, content_type="application/yaml")
    kubernetes.request("POST", f"{RBAC}/clusterroles", cluster_role, content_type="application/yaml")
    kubernetes.request("POST", f"{namespaced}/rolebindings", binding("Role", within))
    kubernetes.request("POST", f"{RBAC}/clusterrolebindings", binding("ClusterRole", {}))
    return kubernetes


class Bench:
    """The objects of one test, and runs of the command's core with a clock that the test sets."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self.kubeconfigs = {user: kubernetes.kubeconfig(user) for user in (USER, "admin")}

    async def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        return await asyncio.to_thread(self.kubernetes.request, method, path, body, content_type=content_type)

    async def keep(self, now: datetime, user: str = USER) -> tuple[bool, list[str]]:
        said: list[str] = []
        async with TlsObjects.connect(self.kubeconfigs[user], NAMESPACE) as objects:
            return await Keeping(objects, PLACES, NAMES, said.append).run(now), said

    async def data(self, name: str = PLACES.secret) -> dict[str, bytes]:
        secret = await self.call("GET", f"{SECRETS}/{name}")
        return {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}

    async def bundles(self) -> list[bytes]:
        found = await self.call("GET", f"{REGISTRATIONS}/{PLACES.webhook}")
        return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in found["webhooks"]]

    async def versions(self) -> list[str]:
        paths = (f"{SECRETS}/{PLACES.secret}", f"{SECRETS}/{PLACES.secret}-ca", f"{REGISTRATIONS}/{PLACES.webhook}")
        return [(await self.call("GET", path))["metadata"]["resourceVersion"] for path in paths]

    async def is_trusted(self) -> bool:
        data = await self.data()
        (serving,) = read_certificates(data["tls.crt"])
        assert read_issued((serving,), data["tls.key"])
        return all(any(signed_by(serving, ca) for ca in read_certificates(each)) for each in await self.bundles())


@pytest.fixture
async def bench(granted: Kubernetes) -> AsyncIterator[Bench]:
    bench = Bench(granted)
    await bench.call("POST", REGISTRATIONS, registration("https://127.0.0.1:1/admission"))
    yield bench
    await bench.call("DELETE", f"{REGISTRATIONS}/{PLACES.webhook}")
    for secret in (await bench.call("GET", SECRETS))["items"]:
        await bench.call("DELETE", f"{SECRETS}/{secret['metadata']['name']}")


async def premade(bench: Bench) -> None:
    """The empty Secrets of the guide."""
    for secret in manifests(1):
        await bench.call("POST", SECRETS, secret, "application/yaml")


async def rights_are_known(bench: Bench) -> None:
    """RBAC of a real API server follows its objects after a moment."""

    async def allowed() -> bool:
        async with TlsObjects.connect(bench.kubeconfigs[USER], NAMESPACE) as objects:
            try:
                await objects.secret(PLACES.secret)
                await objects.registration(PLACES.webhook)
            except Answered:
                return False
        return True

    await until(allowed, "the rights never counted")


async def test_the_rights_of_the_guide_are_enough_for_a_whole_life_and_nothing_is_written_in_vain(bench: Bench):
    await premade(bench)
    await rights_are_known(bench)
    now = datetime.now(UTC)
    complete, said = await bench.keep(now)
    assert complete
    assert len(said) == 4
    assert set(await bench.data()) == {"tls.crt", "tls.key", "ca.crt"}
    assert await bench.is_trusted()
    first, versions = await bench.data(), await bench.versions()
    assert (await bench.keep(now + timedelta(days=59)))[0]
    assert await bench.versions() == versions

    assert (await bench.keep(now + timedelta(days=61)))[0]
    renewed = await bench.data()
    assert renewed["tls.crt"] != first["tls.crt"]
    assert renewed["ca.crt"] == first["ca.crt"]

    late = now + AUTHORITY_LIFE - AUTHORITY_LEAD + timedelta(days=1)
    assert (await bench.keep(late))[0]
    assert len(read_certificates((await bench.data())["ca.crt"])) == 2
    assert await bench.bundles() == [(await bench.data())["ca.crt"]] * 2
    assert await bench.is_trusted()
    assert (await bench.keep(late + timedelta(days=61)))[0]
    assert await bench.is_trusted()

    stored = await bench.call("GET", f"{REGISTRATIONS}/{PLACES.webhook}")
    for each, given in zip(stored["webhooks"], registration("https://127.0.0.1:1/admission")["webhooks"], strict=True):
        assert each["clientConfig"].pop("caBundle")
        assert each["clientConfig"] == given["clientConfig"]
        assert each["failurePolicy"] == given["failurePolicy"]


async def test_without_the_right_to_create_secrets_that_are_not_there_the_right_is_named(bench: Bench):
    await rights_are_known(bench)
    with pytest.raises(Answered, match=r"create Secret billing-sidecar-tls-ca: we lack this right.*cannot create"):
        await bench.keep(datetime.now(UTC))


async def test_with_the_right_to_create_the_secrets_are_made_with_their_types(bench: Bench):
    assert (await bench.keep(datetime.now(UTC), "admin"))[0]
    types = {each["metadata"]["name"]: each["type"] for each in (await bench.call("GET", SECRETS))["items"]}
    assert types == {PLACES.secret: "kubernetes.io/tls", f"{PLACES.secret}-ca": "Opaque"}
    assert "ca.key" not in await bench.data()


async def test_several_at_once_end_with_one_ca_and_one_certificate(bench: Bench):
    now = datetime.now(UTC)
    for moment in (now, now + timedelta(days=61), now + AUTHORITY_LIFE - AUTHORITY_LEAD + timedelta(days=1)):
        ended = await asyncio.gather(*(bench.keep(moment, "admin") for _ in range(4)))
        assert all(complete for complete, _ in ended)
        made = [sentence for _, said in ended for sentence in said if sentence.startswith("Made")]
        assert len(made) == len({sentence.split("(")[0] for sentence in made})  # nothing was made twice
        assert await bench.is_trusted()
    assert len(read_certificates((await bench.data())["ca.crt"])) == 2


async def test_the_api_server_believes_the_certificate_and_its_successor_while_the_server_runs(
    bench: Bench, tmp_path: Path
):
    """The whole way: made by the command, brought into files, presented, and checked by the caBundle."""
    called: list[str] = []

    async def allow(request: web.Request) -> web.Response:
        uid = (await request.json())["request"]["uid"]
        called.append(uid)
        answer = {"uid": uid, "allowed": True}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})

    serving = ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    app = web.Application()
    app.router.add_post("/admission", allow)
    runner = web.AppRunner(app)
    await runner.setup()
    keeping = asyncio.ensure_future(serving.keep_current())
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving.context).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/admission"
        await bench.call("DELETE", f"{REGISTRATIONS}/{PLACES.webhook}")
        await bench.call("POST", REGISTRATIONS, registration(url))
        now = datetime.now(UTC)
        numbers = set()
        for run, moment in enumerate((now - timedelta(days=61), now)):  # the first one is due, and still valid
            assert (await bench.keep(moment, "admin"))[0]
            data = await bench.data()
            for name in ("tls.key", "tls.crt"):
                (tmp_path / name).write_bytes(data[name])
            (certificate,) = read_certificates(data["tls.crt"])
            numbers.add(certificate.serial_number)
            await until(partial(_presents, runner.addresses[0][1], certificate), "it never presented the new one")
            await until(partial(_created, bench, f"t{run}"), lambda: f"the API server never believed it: {called}")
        assert len(numbers) == 2
        assert len(called) >= 4  # two webhooks, two tenants
    finally:
        keeping.cancel()
        await runner.cleanup()


async def _presents(port: int, certificate: Any) -> bool:
    try:
        shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    except (ssl.SSLError, OSError):
        return False
    return read_certificates(shown.encode()) == (certificate,)


async def _created(bench: Bench, name: str) -> bool:
    tenant = {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {"name": name},
        "spec": {"packages": []},
    }
    try:
        await bench.call("POST", PATH, tenant)
    except RuntimeError as error:
        if "failed calling webhook" not in str(error):
            raise
        return False
    await bench.call("DELETE", f"{PATH}/{name}")
    return True


async def test_the_command_says_in_sentences_what_it_did_and_ends_with_1_without_a_configuration(bench: Bench):
    await premade(bench)
    await rights_are_known(bench)

    def command() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sidecar", "certificates", "--namespace", NAMESPACE],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(bench.kubeconfigs[USER])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    await bench.call("DELETE", f"{REGISTRATIONS}/{PLACES.webhook}")
    first = await asyncio.to_thread(command)
    assert (first.returncode, first.stderr) == (1, "")
    assert first.stdout.startswith("Made a CA (there is none), in Secret billing-sidecar-tls-ca; it ends on ")
    assert "There is no ValidatingWebhookConfiguration billing-sidecar" in first.stdout
    await bench.call("POST", REGISTRATIONS, registration("https://127.0.0.1:1/admission"))
    second = await asyncio.to_thread(command)
    assert (second.returncode, second.stderr) == (0, "")
    assert "each of its 2 webhooks trusts one CA." in second.stdout
    assert await bench.is_trusted()
    third = await asyncio.to_thread(command)
    assert third.stdout.startswith("Nothing is due before ")
    assert "PRIVATE" not in first.stdout + second.stdout + third.stdout
