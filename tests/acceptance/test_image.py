"""What the Containerfile does, as far as it can be done without a container engine.

Its build stage is run into a folder of this machine, and what comes out is started as the image's user, who may write
nowhere but into the spool's folder. Not tried here: the base image, and the lines that take things out of it.
"""

import json
import os
import re
import shlex
import subprocess
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.image import ROOT, Image, Instruction, as_user, build, environment, only, stages
from tests.support.ports import free_ports
from tests.support.processes import Server

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """In a folder that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="sidecar-image-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        yield build(root)


def test_what_is_copied_is_what_the_context_has():
    context = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {name for word, rest in stages()[0] if word == "COPY" for name in rest.split()[:-1]}
    assert copied == context


def test_the_image_has_the_sidecar_with_its_schema_and_nothing_of_the_repository_besides(image: Image):
    def files(folder: Path) -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {str(path.relative_to(folder)) for path in found}

    schema = {f"schema/{name}" for name in files(ROOT / "schema")}
    assert files(image.packages / "sidecar") == files(ROOT / "sidecar") | schema
    assert {"schema/0001_billing.sql", "schema/rollback.sql"} <= schema
    names = {path.name for path in image.packages.iterdir()}
    assert names.isdisjoint({"tests", "bench", "pip", "setuptools", "wheel", "hatchling", "pytest", "mypy"})
    assert [path.name for path in image.prefix.rglob("pip*") if path.name != "pip.conf"] == []


def test_the_image_has_the_pinned_versions_and_no_others(image: Image):
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = {name.lower(): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}
    installed = {}
    for path in image.packages.glob("*.dist-info"):
        name, version = path.name.removesuffix(".dist-info").split("-")
        installed[name.replace("_", "-").lower()] = version
    assert installed.pop("pieced-billing-sidecar") == PROJECT["version"]
    assert installed.items() <= pinned.items()
    markers = re.findall(r"^([\w.-]+)==\S+ ;", text, re.MULTILINE)  # needed on some Pythons only
    assert set(pinned) - set(installed) <= set(markers)


def test_the_labels_and_the_user_are_those_of_the_manifests():
    final = stages()[1]
    assert f"VERSION={PROJECT['version']}" in [rest for word, rest in final if word == "ARG"]
    labels = dict(pair.split("=", 1) for pair in shlex.split(only(final, "LABEL")))
    assert {name.removeprefix("org.opencontainers.image.") for name in labels} == {
        "title",
        "description",
        "vendor",
        "version",
        "revision",
    }
    user, _, group = only(final, "USER").partition(":")
    deployment = (ROOT / "manifests" / "components" / "standalone" / "deployment.yaml").read_text(encoding="utf-8")
    assert f"runAsUser: {user}\n" in deployment
    assert f"runAsGroup: {group}\n" in deployment


def test_it_starts_as_its_user_on_a_tree_that_it_cannot_change_and_is_healthy(image: Image, tmp_path: Path):
    _, final = stages()
    (port,) = free_ports(1)
    user, group = (int(number) for number in only(final, "USER").split(":"))
    before = _stamps(image.root)
    with tempfile.TemporaryDirectory(prefix="sidecar-spool-") as folder:
        spool = Path(folder) / "spool"
        spool.mkdir()
        Path(folder).chmod(0o755)
        if os.getuid() == 0:
            os.chown(spool, user, group)
        config = Path(folder) / "kubeconfig"
        config.write_text(json.dumps(_NOBODY))
        environ = {
            **environment(final),
            "PATH": ":".join(map(image.here, environment(final)["PATH"].split(":"))),
            "TMPDIR": str(spool),
            "KUBECONFIG": str(config),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "SIDECAR_SPOOL": str(spool / "spool.db"),
            "SIDECAR_HTTP": f"127.0.0.1:{port}",
            "SIDECAR_HTTPS": "127.0.0.1:0",
        }
        variables = [f"{name}={value}" for name, value in environ.items()]
        entry = json.loads(only(final, "ENTRYPOINT"))
        server = Server("the image", [*as_user(user, group), "env", "-i", *variables, *entry], tmp_path / "log")
        try:
            server.wait_until(lambda: _is_healthy(port), 60)
            assert (spool / "spool.db").stat().st_uid == (user if os.getuid() == 0 else os.getuid())
            assert _health_check(image, final, port) == 0
        finally:
            server.stop()
        assert '"event":"stopped"' in server.log.read_text().replace('": "', '":"'), server.log.read_text()
        assert _health_check(image, final, port) != 0
    assert _stamps(image.root) == before


# A cluster that does not answer. The start needs none.
_NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {"token": "none"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "current-context": "none",
}


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.URLError:  # not listening yet
        return False


def _health_check(image: Image, stage: list[Instruction], port: int) -> int:
    """The exit code of the image's own health check."""
    python, *arguments = json.loads(only(stage, "HEALTHCHECK").partition(" CMD ")[2])
    arguments = [each.replace(":8080/", f":{port}/") for each in arguments]
    command = [image.prefix / "bin" / python, *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def _stamps(root: Path) -> dict[str, tuple[int, int]]:
    """Of each file: when it was changed, and its size."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}
