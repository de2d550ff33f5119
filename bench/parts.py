"""What the parts share: a Postgres server, new databases on it, child processes, and rows of the table."""

import asyncio
import os
import secrets
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from sidecar.demo.postgres import embedded_postgres
from sidecar.migrate import migrate

_ROOT = Path(__file__).parent.parent

PATIENCE = 60.0
"""Seconds until what should have happened has failed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One line of the table. `value` with its unit; `compared`: the same with the bare loop; `aim`: in words."""

    part: str
    what: str
    value: str
    compared: str = ""
    aim: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Result:
    """What a part found: rows to print, and all numbers behind them."""

    rows: list[Row]
    numbers: dict[str, object] = field(default_factory=dict)


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Looks twenty times a second whether it has happened. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


def median(values: Sequence[float]) -> float:
    """Of the rounds: one that a neighbour disturbed does not count."""
    return statistics.median(values)


def cpu(pid: int) -> float:
    """CPU seconds of a local process, as /proc says it (proc(5), `stat`, fields 14 and 15); 0 where there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """MiB of a process' memory that are in RAM: now, and the most so far."""

    now: float
    peak: float


def memory(pid: int) -> Memory:
    """As /proc says it (proc(5), `status`). Raises FileNotFoundError where there is no /proc."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kib = {words[0]: int(words[1]) for words in lines if words[0] in {"VmRSS:", "VmHWM:"}}
    return Memory(kib["VmRSS:"] / 1024, kib["VmHWM:"] / 1024)


async def delivered(database: str, version: int, seconds: float) -> None:
    """Waits until the ledger says that everything up to `version` is in it. Raises TimeoutError after `seconds`."""
    connection = await asyncpg.connect(database)

    async def stands() -> bool:
        return bool(await connection.fetchval("SELECT max(to_version) >= $1 FROM ledger.segments", version))

    try:
        await until(stands, seconds)
    finally:
        await connection.close()


async def backend_cpu(database: str) -> float:
    """CPU seconds of the sidecar's oldest backend, the one that delivers."""
    connection = await asyncpg.connect(database)
    try:
        backend = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'billing-sidecar' AND datname = current_database()"
            " ORDER BY backend_start LIMIT 1"
        )
    finally:
        await connection.close()
    return cpu(backend)


async def settled(process: int) -> None:
    """Waits until a process does next to nothing: less than 1 % of a CPU, for two seconds."""

    async def idle() -> bool:
        before = cpu(process)
        await asyncio.sleep(2.0)
        return cpu(process) - before <= 0.02

    await until(idle)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server where databases can be created: DATABASE_URL, or the embedded one."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder, embedded_postgres(Path(folder)) as address:
        yield address


@asynccontextmanager
async def new_ledger(server: str) -> AsyncIterator[str]:
    """The address of a migrated, empty database, dropped afterwards."""
    name = f"bench_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        address = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        try:
            connection = await asyncpg.connect(address)
            await migrate(connection)
            await connection.close()
            yield address
        finally:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@dataclass
class Child:
    """A child process of ours that speaks in lines; its standard error is in `log`."""

    process: asyncio.subprocess.Process
    log: Path

    async def line(self) -> str:
        """Its next line. Raises RuntimeError if it ended instead, TimeoutError if it says nothing."""
        async with asyncio.timeout(PATIENCE):
            line = await _there(self.process.stdout).readline()
        if not line:
            raise await self.failed()
        return line.decode().strip()

    def tell(self) -> None:
        """An empty line to it."""
        _there(self.process.stdin).write(b"\n")

    async def cpu(self) -> float:
        """The CPU seconds it has used, which a reader tells at SIGUSR1."""
        self.process.send_signal(signal.SIGUSR1)
        return float(await self.line())

    async def end(self) -> None:
        """SIGTERM, and wait. Raises RuntimeError if it failed."""
        self.process.terminate()
        if await self.process.wait():
            raise await self.failed()

    async def failed(self) -> RuntimeError:
        """Waits for its end; what it said last."""
        code = await self.process.wait()
        return RuntimeError(f"a child ended with code {code}:\n{self.log.read_text()[-2000:]}")


def _there(pipe: T | None) -> T:
    """A pipe of a process that was started with one."""
    if pipe is None:
        raise TypeError("the process was started without this pipe")
    return pipe


def sidecar_settings(database: str, kubeconfig: Path, folder: Path) -> dict[str, str]:
    """The environment of a sidecar that keeps its files in `folder` and disturbs no other's ports."""
    return {
        "DATABASE_URL": database,
        "KUBECONFIG": str(kubeconfig),
        "SIDECAR_SPOOL": str(folder / "spool.db"),
        "SIDECAR_HTTP": "127.0.0.1:0",
        "SIDECAR_HTTPS": "127.0.0.1:0",
        "SIDECAR_LOG": "json",
    }


@asynccontextmanager
async def child(*command: str, log: Path, **environment: str) -> AsyncIterator[Child]:
    """`python -m COMMAND` with standard error in `log`; killed at the end of the block if it still runs."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            cwd=_ROOT,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield Child(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
