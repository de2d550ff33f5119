"""kubectl works on the demo's API server, as it does on a real one."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.demo.apiserver import Store, Webhook, kubeconfig, serving
from tests.support.assets import asset
from tests.support.envtest import Kubernetes
from tests.support.receiver import Receiver

ACME = """\
apiVersion: pieced.ch/v1alpha1
kind: PiecedTenant
metadata: {name: acme, labels: {pieced.ch/zitadel-org-id: "1"}}
spec: {packages: [jitsi]}
"""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig, and caches of its own."""

    config: Path

    async def start(self, *arguments: str, given: int | None = None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            asset("kubectl"),
            f"--kubeconfig={self.config}",
            f"--cache-dir={self.config.parent / 'cache'}",
            *arguments,
            stdin=given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.config.parent)},
        )

    async def __call__(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints; it must succeed."""
        process = await self.start(*arguments, given=asyncio.subprocess.PIPE if given is not None else None)
        async with asyncio.timeout(60):
            output, _ = await process.communicate(given.encode() if given is not None else None)
        assert process.returncode == 0, output.decode()
        return output.decode().strip()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.serving():
        yield receiver


@pytest.fixture(params=["demo", "real"])
async def kubectl(request: pytest.FixtureRequest, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Kubectl]:
    config = tmp_path / "kubeconfig"
    if request.param == "real":
        kubernetes: Kubernetes = request.getfixturevalue("kubernetes")
        yield Kubectl(kubernetes.kubeconfig("admin"))
        return
    async with serving(Store(history=100), webhooks=[Webhook(receiver.url)]) as url:
        config.write_text(kubeconfig(url, "alice"))
        yield Kubectl(config)


async def test_kubectl_creates_shows_patches_and_deletes(kubectl: Kubectl):
    assert await kubectl("create", "--validate=false", "-f", "-", given=ACME) == "piecedtenant.pieced.ch/acme created"
    lines = (await kubectl("get", "pt")).splitlines()
    assert lines[0].split() == ["NAME", "PACKAGES", "SUSPENDED", "AGE"]
    assert lines[1].split()[:2] == ["acme", '["jitsi"]']
    merge = ("patch", "piecedtenant", "acme", "--type=merge", "-p")
    assert await kubectl(*merge, '{"spec":{"suspend":true}}') == "piecedtenant.pieced.ch/acme patched"
    add = '[{"op":"add","path":"/spec/packages/-","value":"threema"}]'
    assert await kubectl("patch", "pt", "acme", "--type=json", "-p", add) == "piecedtenant.pieced.ch/acme patched"
    await kubectl("label", "pt", "acme", "team=blue")
    shown = await kubectl("get", "pt", "acme", "-o", "jsonpath={.metadata.generation} {.spec}")
    assert shown == '3 {"packages":["jitsi","threema"],"suspend":true}'
    assert "deleted" in await kubectl("delete", "pt", "acme")
    assert await kubectl("get", "pt", "-o", "name") == ""


async def test_kubectl_get_watch_prints_every_change(kubectl: Kubectl):
    await kubectl("create", "--validate=false", "-f", "-", given=ACME)
    watching = await kubectl.start("get", "pt", "--watch", "--output-watch-events")
    try:
        async with asyncio.timeout(60):
            assert (await _words(watching))[0] == "EVENT"
            assert (await _words(watching))[:3] == ["ADDED", "acme", '["jitsi"]']
            await kubectl("patch", "pt", "acme", "--type=merge", "-p", '{"spec":{"packages":["threema"]}}')
            assert (await _words(watching))[:3] == ["MODIFIED", "acme", '["threema"]']
            await kubectl("delete", "pt", "acme")
            assert (await _words(watching))[:3] == ["DELETED", "acme", '["threema"]']
    finally:
        watching.kill()
        await watching.wait()


async def _words(process: asyncio.subprocess.Process) -> list[str]:
    """The next line that it prints, word by word."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().split()


@pytest.mark.parametrize("kubectl", ["demo"], indirect=True)
async def test_the_demo_knows_people_by_the_name_in_their_kubeconfig(kubectl: Kubectl, receiver: Receiver):
    await kubectl("create", "--validate=false", "-f", "-", given=ACME)
    await kubectl("--as=bob", "patch", "pt", "acme", "--type=merge", "-p", '{"spec":{"packages":[]}}')
    assert [review["userInfo"]["username"] for review in receiver.reviews] == ["alice", "bob"]
