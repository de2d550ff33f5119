"""Reading how a cluster is reached, as in earnest: by a process that ends when it has said what it read."""

import asyncio
import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.cluster import reading
from sidecar.cluster.access import AccessReader
from sidecar.cluster.reading import Unreadable, read_apart
from sidecar.errors import Misconfigured
from tests.support.scripted import kubeconfig
from tests.support.waiting import until

TLS = Path(__file__).parent.parent / "data/tls"


@pytest.fixture(autouse=True)
def read_here() -> None:
    """Not here."""


def plugin(folder: Path, script: str) -> dict[str, object]:
    """A kubeconfig's user whose credential an exec plugin gives."""
    path = folder / "plugin"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}}


async def test_all_that_a_kubeconfig_gives_arrives(tmp_path):
    (tmp_path / "token").write_text("a token\n")
    ca, pair = (TLS / "old-ca.crt").read_bytes(), (TLS / "old-server.pem").read_bytes()
    user = {
        "tokenFile": "token",
        "client-certificate": str(TLS / "old-server.pem"),
        "client-key-data": base64.b64encode(pair).decode(),
    }
    more = {
        "certificate-authority-data": base64.b64encode(ca).decode(),
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
    }
    config = kubeconfig(tmp_path, "https://10.0.0.1:6443", user, **more)
    got = await read_apart(config)
    assert (got.host, got.authorization) == ("https://10.0.0.1:6443", "Bearer a token")
    assert (got.ca, got.certificate, got.key) == (ca, pair, pair)
    assert (got.verify, got.server_hostname, got.proxy) == (True, "kubernetes", "http://proxy:3128")
    # What is to be looked at for a change; not what was written only to be read.
    assert set(got.files) == {str(config), str(tmp_path / "token"), str(TLS / "old-server.pem")}


async def test_a_plugins_credential_is_read_again_before_it_expires(tmp_path):
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    status = {"token": "short-lived", "expirationTimestamp": "2026-11-22T10:00:00Z"}
    user = plugin(tmp_path, f"print({json.dumps(credential | {'status': status})!r})")
    reader = AccessReader(kubeconfig(tmp_path, "http://127.0.0.1:1", user))
    first = await reader.present()
    assert first.authorization == "Bearer short-lived"
    assert await reader.present() is not first  # the time is over, so each is a new one


async def test_what_cannot_be_read_is_a_sentence_and_no_secret(tmp_path):
    user = plugin(tmp_path, "import sys; sys.exit('log in first')")
    with pytest.raises(Misconfigured, match=r"gives no access to a cluster: .*log in first"):
        await AccessReader(kubeconfig(tmp_path, "http://127.0.0.1:1", user)).present()


async def test_what_the_library_only_logs_is_told(tmp_path):
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {}}
    user = plugin(tmp_path, f"print({json.dumps(credential)!r})")
    got = await read_apart(kubeconfig(tmp_path, "http://127.0.0.1:1", user))
    assert any("missing token" in line for line in got.said)


async def test_one_reading_is_for_all_who_wait_for_it(tmp_path, monkeypatch):
    read = 0

    async def counted(where):
        nonlocal read
        read += 1
        return await read_apart(where)

    monkeypatch.setattr("sidecar.cluster.access.read_apart", counted)
    reader = AccessReader(kubeconfig(tmp_path, "http://127.0.0.1:1"))
    one, other = await asyncio.gather(reader.present(), reader.present())
    assert one is other
    assert read == 1


async def test_a_process_that_nobody_waits_for_is_ended(tmp_path):
    pid = tmp_path / "pid"
    waits = (
        "import os, pathlib, time\n"
        "parent = os.getppid()\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(parent))\n"
        "while os.getppid() == parent:\n"
        "    time.sleep(0.05)\n"
    )
    config = kubeconfig(tmp_path, "http://127.0.0.1:1", plugin(tmp_path, waits))
    waiting = asyncio.create_task(read_apart(config))

    async def asked() -> bool:
        return pid.exists() and bool(pid.read_text())

    await until(asked, "the plugin was never asked")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_plugin_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE", 1.0)
    user = plugin(tmp_path, "import time; time.sleep(20)")
    with pytest.raises(Unreadable, match="longer than 1 s: does a plugin wait"):
        await read_apart(kubeconfig(tmp_path, "http://127.0.0.1:1", user))


def test_the_sidecar_itself_does_not_pay_for_kubernetes_asyncio(tmp_path):
    config = kubeconfig(tmp_path, "http://127.0.0.1:1")
    script = (
        "import asyncio, pathlib, sys, sidecar.service\n"
        "from sidecar.cluster.access import AccessReader\n"
        f"asyncio.run(AccessReader(pathlib.Path({str(config)!r})).present())\n"
        "print('kubernetes_asyncio' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
