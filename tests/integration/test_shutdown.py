"""SIGTERM in the middle of everything: what was answered is in the ledger later, and the process ends in time."""

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from sidecar.demo.apiserver import Webhook
from sidecar.demo.postgres import embedded_postgres
from tests.support.audit_events import answered, like
from tests.support.hooks import event_list
from tests.support.issued import new_pair, strict_client
from tests.support.ledger_reader import LedgerReader
from tests.support.ports import free_ports
from tests.support.reviews import review, stored
from tests.support.sidecar_process import Sidecar, sidecar
from tests.support.stand_in import Cluster, complete, events, stand_in, toggle, toggled, watched
from tests.support.waiting import until

# 90 s of patience for a condition, several conditions a test, on busy cores.
pytestmark = pytest.mark.timeout(300)

# Seconds from SIGTERM to SIGKILL: the least terminationGracePeriodSeconds of the manifests.
GRACE = 40.0

ADMIN, AUDIT = "the admin token", "the audit token"


@dataclass
class Stage:
    """A sidecar that the API server calls. `pair`: its certificate's CA, for clients."""

    made: Sidecar
    cluster: Cluster
    client: ssl.SSLContext

    def port(self, which: str) -> int:
        """Where the present run listens: http or https."""
        (started,) = self.made.events("started")
        return int(started[f"{which}_port"])

    async def backfill(self) -> tuple[int, Any]:
        """Status and body of the answer to a backfill; 0 if the connection ended without one."""
        url = f"http://127.0.0.1:{self.port('http')}/api/admin/billing/backfill"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, headers={"Authorization": f"Bearer {ADMIN}"}) as answer,
            ):
                return answer.status, await answer.json()
        except aiohttp.ClientError:
            return 0, None

    async def closing(self) -> None:
        """Wait until it accepts no new calls."""

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port("https"))
            except ConnectionRefusedError:
                return True
            writer.close()
            return False

        await until(refused, lambda: f"it goes on accepting calls:\n{self.made.tail()}")


@asynccontextmanager
async def stage(folder: Path, database: str) -> AsyncIterator[Stage]:
    """It has been started, and watches."""
    pair = new_pair()
    for name, content in {
        "ca.crt": pair.authority.certificate_pem(),
        "tls.crt": pair.serving.certificate_pem(),
        "tls.key": pair.serving.key_pem(),
        "admin": ADMIN.encode(),
        "audit": AUDIT.encode(),
    }.items():
        (folder / name).write_bytes(content)
    (port,) = free_ports(1)
    settings = {
        "SIDECAR_HTTPS": f"127.0.0.1:{port}",
        "SIDECAR_TLS_CERT": str(folder / "tls.crt"),
        "SIDECAR_TLS_KEY": str(folder / "tls.key"),
        "SIDECAR_ADMIN_TOKEN_FILE": str(folder / "admin"),
        "SIDECAR_AUDIT_TOKEN_FILE": str(folder / "audit"),
    }
    webhook = Webhook(f"https://localhost:{port}/admission", folder / "ca.crt")
    async with (
        stand_in(folder, [webhook]) as cluster,
        sidecar(folder, cluster.config, database, **settings) as made,
    ):
        made.start()
        await watched(made, LedgerReader(database))
        await made.logged("certificate_loaded")
        yield Stage(made, cluster, strict_client(pair.authority))


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server's data. (Not below tmp_path: see test_service.)"""
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as folder:
        yield Path(folder)


class HalfSent:
    """A request of which the server has the half, and which it has begun to handle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = rest

    @classmethod
    async def begin(cls, there: Stage, path: str, body: bytes, token: str) -> "HalfSent":
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", there.port("https"), ssl=there.client, server_hostname="localhost"
        )
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # its handler runs
        middle = len(body) // 2
        writer.write(body[:middle])
        await writer.drain()
        return cls(reader, writer, body[middle:])

    async def finish(self) -> int:
        """Sends the rest; the status of the answer."""
        self._writer.write(self._rest)
        status = (await self._reader.readline()).split()[1]
        self._writer.close()
        return int(status)


def created_now() -> dict[str, Any]:
    """An audit event of a tenant that nobody else has told of."""
    now = datetime.now(UTC)
    at = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    event = like("create", stageTimestamp=at, requestReceivedTimestamp=at)
    event["objectRef"]["name"] = "globex"
    return answered(event, name="globex", creationTimestamp=f"{now:%Y-%m-%dT%H:%M:%SZ}", resourceVersion="1000000")


async def keep_changing(cluster: Cluster, enough: asyncio.Event) -> int:
    """Changes `acme` until it is enough; how often."""
    changed = 0
    while not enough.is_set():
        await toggle(cluster, 1, changed)
        changed += 1
    return changed


@asynccontextmanager
async def held_up(address: str) -> AsyncIterator[None]:
    """Nobody else can write an observation in this block: a delivery waits."""
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE ledger.observations IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@pytest.mark.parametrize("postgres", ["well", "slow", "away"])
async def test_sigterm_in_the_middle_of_everything_loses_nothing_that_was_answered(tmp_path, postgres_folder, postgres):
    async with AsyncExitStack() as up, AsyncExitStack() as stack:
        address = up.enter_context(embedded_postgres(postgres_folder))
        there = await stack.enter_async_context(stage(tmp_path, address))
        ledger = LedgerReader(address)
        await there.cluster.create("acme", "jitsi")
        await ledger.delivered(await there.cluster.version(), there.made.tail)
        if postgres == "slow":
            await up.enter_async_context(held_up(address))
        elif postgres == "away":
            await up.aclose()

        enough = asyncio.Event()
        changing = asyncio.create_task(keep_changing(there.cluster, enough))
        batch = await HalfSent.begin(there, "/audit", event_list(created_now()), AUDIT)
        body = review("UPDATE", "bob", stored(1, 1, "jitsi"), stored(2, 2, "jitsi", "wiki"))
        call = await HalfSent.begin(there, "/admission", json.dumps(body).encode(), "")
        backfill = asyncio.create_task(there.backfill())

        began = time.monotonic()
        stopping = asyncio.create_task(there.made.stop())  # which fails unless the exit code is 0
        await there.closing()
        enough.set()  # the watch ends with the last call, and the stand-in does not remember more than 1,000 writes
        assert (await call.finish(), await batch.finish()) == (200, 200)
        await stopping
        assert time.monotonic() - began < GRACE
        changed = await changing
        status, _ = await backfill
        assert status in ((200,) if postgres == "well" else (0, 503))

        if postgres == "slow":
            await up.aclose()
        if postgres != "well":
            up.enter_context(embedded_postgres(postgres_folder))
        there.made.start()
        await there.made.logged("watch_opened")  # all may have been delivered before: it must be there to be stopped
        await ledger.delivered(await there.cluster.version(), there.made.tail)
        await ledger.until("SELECT count(*) = 1 FROM ledger.observations WHERE source = 'audit'", why=there.made.tail)
        assert await events(ledger) == [
            *toggled(changed),
            ("globex", 1, "searxng-local-search", "enabled"),
            ("globex", 1, "threema", "enabled"),
        ]
        await complete(there.made)
        await there.made.stop()


async def test_a_backfill_that_runs_is_delivered_and_answered(tmp_path, database):
    async with stage(tmp_path, database) as there:
        await there.cluster.create("acme", "jitsi")
        await LedgerReader(database).delivered(await there.cluster.version(), there.made.tail)
        async with held_up(database):
            backfill = asyncio.create_task(there.backfill())
            await there.made.logged("backfill_listed")
            stopping = asyncio.create_task(there.made.stop())
            await there.closing()
        await stopping
        status, answer = await backfill
        assert (status, answer["tenantsExamined"]) == (200, 1)
