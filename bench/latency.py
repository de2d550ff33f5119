"""(d) How long after the API server's answer a change is a row that others can read."""

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench.parts import Result, Row, child, median, new_ledger, sidecar_settings, until

RATE = 200  # changes a second
STRETCH = 10  # seconds; each has its own p50 and p99, and the median stretch counts, as the median round does elsewhere
_TENANTS = 100  # each changes every half second: the next change begins after the answer to the one before
_PATH = "/apis/pieced.ch/v1alpha1/piecedtenants"

_NOTIFY = """
    CREATE FUNCTION public.bench_landed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('landed', NEW.tenant_uid || ' ' || NEW.generation);
        RETURN NULL;
    END $$;
    CREATE TRIGGER bench_landed AFTER INSERT ON public.tenant_skill_events
        FOR EACH ROW EXECUTE FUNCTION public.bench_landed();
"""
"""Postgres sends notifications at COMMIT, when the row can be read. It makes each row a little dearer."""

_Key = tuple[str, int]


@dataclass(frozen=True)
class _Server:
    """An API server to write to, and the sidecar's kubeconfig for it."""

    url: str
    token: str
    tls: ssl.SSLContext | None
    kubeconfig: Path


@dataclass
class _Times:
    """When each (uid, generation) was answered, and when its row could be read: this process' clock, seconds."""

    answered: dict[_Key, float] = field(default_factory=dict)
    landed: dict[_Key, float] = field(default_factory=dict)

    async def complete(self) -> bool:
        """Whether every change that was answered has landed."""
        return self.answered.keys() <= self.landed.keys()

    def hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        """A row has been committed: `payload` is its uid and generation."""
        uid, _, generation = str(payload).partition(" ")
        self.landed.setdefault((uid, int(generation)), time.perf_counter())


async def measure(server: str, stretches: int, *, real: bool) -> Result:
    """`stretches` of patches at a steady rate; p50 and p99 of answer → row. `real`: against a kube-apiserver."""
    times = _Times()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        api = await stack.enter_async_context(_kubernetes(folder) if real else _stand_in(folder))
        database = await stack.enter_async_context(new_ledger(server))
        listener = await stack.enter_async_context(_listening(database, times))
        settings = sidecar_settings(database, api.kubeconfig, folder) | {"SIDECAR_BOOTSTRAP": "auto"}
        await stack.enter_async_context(child("sidecar", log=folder / "sidecar.log", **settings))
        await _watching(listener)
        await _write(api, times, stretches * STRETCH * RATE)
        await until(times.complete)
    waits = [times.landed[key] - at for key, at in sorted(times.answered.items(), key=lambda answered: answered[1])]
    parts = [sorted(waits[start : start + STRETCH * RATE]) for start in range(0, len(waits), STRETCH * RATE)]
    p50, p99 = (median([each[int(len(each) * share)] * 1e3 for each in parts]) for share in (0.5, 0.99))
    name = "kube-apiserver" if real else "stand-in API server"
    rows = [
        Row("d", f"API answer → row, p50, {RATE} changes a second, {name}", f"{p50:.1f} ms", "", "< 20 ms", p50 < 20),
        Row("d", "… p99", f"{p99:.1f} ms", "", "< 100 ms", p99 < 100),
    ]
    return Result(rows, {"server": name, "stretches_ms": [[wait * 1e3 for wait in each] for each in parts]})


@asynccontextmanager
async def _stand_in(folder: Path) -> AsyncIterator[_Server]:
    config = folder / "kubeconfig"
    command = ("sidecar.demo.apiserver", "--kubeconfig", str(config))
    async with child(*command, log=folder / "apiserver.log") as process:
        yield _Server(await process.line(), "admin", None, config)


@asynccontextmanager
async def _kubernetes(folder: Path) -> AsyncIterator[_Server]:
    from tests.support.envtest import running_kubernetes  # noqa: PLC0415 - only with --real

    with running_kubernetes(folder) as kubernetes:
        config = kubernetes.kubeconfig("sidecar")
        yield _Server(kubernetes.url, kubernetes.tokens["admin"], kubernetes.tls(), config)


@asynccontextmanager
async def _listening(database: str, times: _Times) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_NOTIFY)
        await connection.add_listener("landed", times.hear)
        yield connection
    finally:
        await connection.close()


async def _watching(connection: asyncpg.Connection) -> None:
    """The sidecar's first list has been delivered: what is written from here on comes by the watch."""

    async def listed() -> bool:
        return bool(await connection.fetchval("SELECT count(*) FROM ledger.segments"))

    await until(listed)


async def _write(api: _Server, times: _Times, changes: int) -> None:
    """All tenants, then `changes` patches, each begun when it is due, whether the others were answered or not."""
    headers = {"Authorization": f"Bearer {api.token}"}
    connector = aiohttp.TCPConnector(limit=0, ssl=api.tls or True)
    async with aiohttp.ClientSession(api.url, connector=connector, headers=headers) as session:
        for number in range(_TENANTS):
            await _send(session, "POST", _PATH, "application/json", _tenant(number))
        async with asyncio.TaskGroup() as tasks:
            began = asyncio.get_running_loop().time()
            for number in range(changes):
                await asyncio.sleep(began + number / RATE - asyncio.get_running_loop().time())
                tasks.create_task(_patch(session, times, number))


async def _patch(session: aiohttp.ClientSession, times: _Times, number: int) -> None:
    turn, tenant = divmod(number, _TENANTS)
    packages = ["nextcloud"] if turn % 2 else ["nextcloud", "threema"]
    patch = {"spec": {"packages": packages}}
    path, kind = f"{_PATH}/tenant-{tenant}", "application/merge-patch+json"
    metadata = (await _send(session, "PATCH", path, kind, patch))["metadata"]
    times.answered[metadata["uid"], metadata["generation"]] = time.perf_counter()


async def _send(session: aiohttp.ClientSession, method: str, path: str, kind: str, body: object) -> dict[str, Any]:
    headers = {"Content-Type": kind}
    async with session.request(method, path, data=json.dumps(body), headers=headers) as response:
        answer: dict[str, Any] = await response.json()
        if response.status not in {200, 201}:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {answer}")
        return answer


def _tenant(number: int) -> dict[str, object]:
    return {
        "apiVersion": "pieced.ch/v1alpha1",
        "kind": "PiecedTenant",
        "metadata": {"name": f"tenant-{number}", "labels": {"pieced.ch/zitadel-org-id": f"{number % 10}"}},
        "spec": {"packages": ["nextcloud"]},
    }
