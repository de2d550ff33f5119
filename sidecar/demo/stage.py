"""The parts of the demo: a database, the stand-in API server, and the sidecar, each a process of its own."""

import asyncio
import os
import socket
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg

from sidecar import certificates
from sidecar.demo.apiserver import PIECED_TENANTS
from sidecar.demo.processes import killed, started, stopped
from sidecar.errors import Misconfigured, SidecarError

_START_SECONDS = 60.0
"""How long a server may take to start: one to three seconds are usual, on busy cores ten."""

_TAIL = 60  # lines of a log that a message quotes: a traceback, and the error above it that led to it


class Broken(SidecarError):
    """The story cannot go on: something that must happen did not."""


@dataclass
class Stage:
    """What is running. Made by `set_up`."""

    folder: Path
    database: str
    embedded: bool
    api: str
    session: aiohttp.ClientSession
    ledger: asyncpg.Connection
    https: str
    _sidecar: Process | None = field(default=None, init=False)

    @property
    def kubeconfig(self) -> Path:
        """The file that leads to the API server."""
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What the sidecar says, as JSON lines."""
        return self.folder / "sidecar.log"

    async def start_sidecar(self) -> int:
        """Starts the sidecar, with the spool it had before; returns its process id."""
        with self.log.open("ab") as log:
            self._sidecar = await started("sidecar", stdout=log, stderr=log, env=self._environment())
        return self._sidecar.pid

    async def kill_sidecar(self) -> None:
        """Ends it as the kernel would (kill -9); returns when it is dead."""
        if self._sidecar is not None:
            await killed(self._sidecar)
            self._sidecar = None

    async def stop_sidecar(self) -> None:
        """SIGTERM, if it runs; returns when it has ended."""
        if self._sidecar is not None:
            await stopped(self._sidecar)

    async def sidecar_ended(self) -> None:
        """Returns when the sidecar has ended by itself."""
        if self._sidecar is not None:
            await self._sidecar.wait()

    def check_sidecar(self) -> None:
        """Raises `Broken`, with the end of its log, if the sidecar has ended by itself."""
        if self._sidecar is not None and self._sidecar.returncode is not None:
            code = self._sidecar.returncode
            raise Broken(f"the sidecar ended by itself with code {code}; its log ends:\n{_tail(self.log)}")

    async def ask(self, method: str, name: str = "", body: object = None, *, who: str) -> None:
        """One request about tenants to the API server, as `who`. Raises `Broken` if it is refused."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self.session.request(
            method,
            f"{self.api}{PIECED_TENANTS.path}{'/' if name else ''}{name}",
            json=body,
            headers={"Content-Type": kind, "Authorization": f"Bearer {who}"},
        ) as response:
            if not response.ok:
                raise Broken(f"{method} {name}: the API server answered {response.status}: {await response.text()}")

    async def run(self, command: str) -> tuple[int, str]:
        """`python -m sidecar COMMAND` to its end: exit code, and all that it printed."""
        process = await started("sidecar", command, stdout=PIPE, stderr=PIPE, env=self._environment())
        try:
            out, errors = await process.communicate()
        finally:
            await stopped(process)
        return process.returncode or 0, (out + errors).decode()

    def _environment(self) -> dict[str, str]:
        """The caller's environment with the demo's settings instead of the caller's."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}
        return env | {
            "DATABASE_URL": self.database,
            "KUBECONFIG": str(self.kubeconfig),
            "SIDECAR_SPOOL": str(self.folder / "spool.db"),
            "SIDECAR_HTTP": "127.0.0.1:0",
            "SIDECAR_HTTPS": self.https,
            "SIDECAR_TLS_CERT": str(self.folder / "tls" / "tls.crt"),
            "SIDECAR_TLS_KEY": str(self.folder / "tls" / "tls.key"),
            "SIDECAR_LOG": "json",
            "NO_PROXY": "127.0.0.1",  # a caller's proxy does not lead to our loopback
            "no_proxy": "127.0.0.1",
        }


@asynccontextmanager
async def set_up(given: str | None) -> AsyncIterator[Stage]:
    """Database (`given`: its address, or None for an embedded one) and API server; the sidecar does not run yet.

    On the way out all processes end, and the one folder that holds everything is removed. Raises `Misconfigured`
    if the given database holds a ledger already, `Broken` if a part does not start.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="billing-sidecar-demo-")))
        database = given
        if database is None:
            data = str(folder / "postgres")
            database = await stack.enter_async_context(
                _serving("sidecar.demo.postgres", data, log=folder / "postgres.log")
            )
        ledger = await _connected(database)
        stack.callback(ledger.terminate)
        await _check_unused(ledger, database)
        await asyncio.to_thread(certificates.write, folder / "tls", [], lambda _: None)
        https = f"127.0.0.1:{_free_port()}"
        options = {
            "--kubeconfig": str(folder / "kubeconfig"),
            "--webhook": f"https://{https}/admission",
            "--webhook-ca": str(folder / "tls" / "ca.crt"),
        }
        arguments = [each for option in options.items() for each in option]
        api = await stack.enter_async_context(
            _serving("sidecar.demo.apiserver", *arguments, log=folder / "apiserver.log")
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(folder, database, given is None, api, session, ledger, https)
        stack.push_async_callback(stage.stop_sidecar)
        yield stage


def described(database: str) -> str:
    """Which database that is, without the password that its address may hold."""
    parts = urlsplit(database)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"{parts.path.lstrip('/') or 'the default database'} on {host}"


async def _connected(database: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(database, timeout=10)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Broken(f"the demo cannot use the database {described(database)}: {error!r}") from error


async def _check_unused(ledger: asyncpg.Connection, database: str) -> None:
    if await ledger.fetchval("SELECT to_regclass('ledger.tenants') IS NULL"):
        return
    used = await ledger.fetchval(
        "SELECT EXISTS (SELECT FROM ledger.tenants) OR (SELECT cluster_uid IS NOT NULL FROM ledger.history)"
    )
    if used:
        raise Misconfigured(
            f"The database that DATABASE_URL names ({described(database)}) holds a ledger already, and the demo "
            "would write invented tenants into it. Name an empty one, or unset DATABASE_URL for an embedded one."
        )


def _free_port() -> int:
    """One on the loopback that nobody listens at: the API server must know it before the sidecar runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])


@asynccontextmanager
async def _serving(module: str, *arguments: str, log: Path) -> AsyncIterator[str]:
    """Runs a server of the demo; gives its address, which is the one line that it prints once it serves."""
    with log.open("ab") as errors:
        process = await started(module, *arguments, stdout=PIPE, stderr=errors)
    try:
        async with asyncio.timeout(_START_SECONDS):
            address = await process.stdout.readline() if process.stdout else b""
        if not address:
            raise Broken(f"{module} did not start:\n{_tail(log)}")
        yield address.decode().strip()
    finally:
        await stopped(process)
