"""The stage of the acceptance steps: a running sidecar, with its database by psql and its API by curl."""

import csv
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from sidecar.demo.postgres import embedded_psql
from tests.support.ports import free_ports
from tests.support.processes import Server

TOKEN = "the-token-of-the-acceptance-steps"  # noqa: S105 - of the tests alone

ORG = "246813579"

# What must happen happens within this, on busy cores too; between two looks.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05

T = TypeVar("T")


class Tenants(Protocol):
    """Whoever changes tenants, past the sidecar: the portal, kubectl, a controller."""

    def create(self, name: str, *packages: str) -> None:
        """A tenant of organisation 246813579 with these packages."""

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        """A merge patch of its spec; committed when this returns."""

    def delete(self, name: str) -> None:
        """It is gone when this returns."""

    def packages(self) -> dict[str, list[str]]:
        """The packages of every living tenant, by its name."""


class Psql:
    """psql on one database: the installed one, or that of the embedded PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        self._command = [shutil.which("psql") or str(embedded_psql()), database_url, "-X", "-v", "ON_ERROR_STOP=1"]

    def __call__(self, sql: str) -> list[dict[str, str]]:
        """What the statements print, as rows; NULL is an empty text. They must succeed."""
        return list(csv.DictReader(io.StringIO(self.said("--csv", "-q", "-c", sql))))

    def said(self, *arguments: str) -> str:
        """What psql prints; it must succeed."""
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Stage:
    """A sidecar as a process, and around it what a person has."""

    def __init__(self, folder: Path, kubeconfig: Path, database_url: str, tenants: Tenants) -> None:
        """Starts nothing yet. Spool, log and token are in `folder`."""
        (port,) = free_ports(1)
        token_file = folder / "admin-token"
        token_file.write_text(f"{TOKEN}\n")
        self.url = f"http://127.0.0.1:{port}"
        self.psql = Psql(database_url)
        self.tenants = tenants
        self._log = folder / "sidecar.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "KUBECONFIG": str(kubeconfig),
            "SIDECAR_SPOOL": str(folder / "spool.db"),
            "SIDECAR_HTTP": f"127.0.0.1:{port}",
            "SIDECAR_HTTPS": "127.0.0.1:0",
            "SIDECAR_ADMIN_TOKEN_FILE": str(token_file),
            "SIDECAR_LOG": "json",
            "NO_PROXY": "127.0.0.1",
        }
        self._sidecar: Server | None = None

    def start(self) -> None:
        """Starts the sidecar; returns when it watches and has delivered something."""
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        command = ["env", "-i", *settings, sys.executable, "-m", "sidecar"]
        self._sidecar = Server("sidecar", command, self._log)
        self._sidecar.wait_until(self._watches, PATIENCE_SECONDS)

    def let_the_second_end(self) -> None:
        """Returns in a later second: what exists is then older than our history, which starts in a whole second."""
        created = int(time.time())
        self.until(lambda: int(time.time()) > created)

    def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        if self._sidecar is not None:
            self._sidecar.stop()
            self._sidecar = None

    def curl(self, method: str, path: str) -> Any:
        """The JSON of a success below the billing API, by curl; by Python where there is no curl."""
        url = f"{self.url}/api/admin/billing{path}"
        curl = shutil.which("curl")
        if curl is None:
            return self._ask(method, url)
        done = subprocess.run(
            [curl, "-sS", "--fail-with-body", "-X", method, "-H", f"Authorization: Bearer {TOKEN}", url],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr, self._tail())
        return json.loads(done.stdout)

    def until(self, ask: Callable[[], T]) -> T:
        """Asks until the answer is true, and returns it. AssertionError with the end of the log if it never is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (answer := ask()):
            assert time.monotonic() < deadline, self._tail()
            time.sleep(POLL_SECONDS)
        return answer

    def _ask(self, method: str, url: str) -> Any:
        request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - as above
            return json.load(answer)

    def _watches(self) -> bool:
        try:
            found = self._ask("GET", f"{self.url}/api/admin/billing/completeness")
        except OSError:  # it does not listen yet, or Postgres is not migrated
            return False
        return found["ledger"]["standing"]["deliveredVersion"] is not None

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])


class HttpTenants:
    """Tenants by plain HTTP, as `somebody`, where any bearer is a name."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/apis/pieced.ch/v1alpha1/piecedtenants"

    def create(self, name: str, *packages: str) -> None:
        self._ask("POST", "", tenant(name, *packages))

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        self._ask("PATCH", f"/{name}", {"spec": spec})

    def delete(self, name: str) -> None:
        self._ask("DELETE", f"/{name}")

    def packages(self) -> dict[str, list[str]]:
        return {item["metadata"]["name"]: item["spec"]["packages"] for item in self._ask("GET", "")["items"]}

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(  # noqa: S310 - loopback
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": kind, "Authorization": "Bearer somebody"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - as above
            return json.load(answer)


def tenant(name: str, *packages: str) -> dict[str, Any]:
    """A PiecedTenant to be created."""
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {"name": name, "labels": {"pieced.ch/zitadel-org-id": ORG}},
        "spec": {"packages": list(packages)},
    }


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The address of a database that nobody has migrated yet."""
    name = f"portal_{secrets.token_hex(6)}"
    admin = Psql(server)
    admin.said("-c", f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        admin.said("-c", f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def demo_api_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """URL and kubeconfig of the demo's API server, as a process."""
    kubeconfig, log = folder / "kubeconfig", folder / "apiserver.log"
    server = Server("apiserver", [sys.executable, "-m", "sidecar.demo.apiserver", "--kubeconfig", kubeconfig], log)
    try:
        server.wait_until(lambda: log.read_text().startswith("http"), PATIENCE_SECONDS)
        yield log.read_text().split()[0], kubeconfig
    finally:
        server.stop()
