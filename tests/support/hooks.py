"""The TLS port as the API server meets it: a real server on a real spool, and a client that trusts its CA."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from sidecar.attribution import Claims
from sidecar.facts import AnyFact, decode, encode
from sidecar.settings import Address
from sidecar.spool import Spool
from sidecar.web import webhooks
from sidecar.web.certificate import ServingCertificate
from sidecar.web.webhooks import Webhooks
from tests.support.captures import RESOURCE
from tests.support.issued import SecretVolume, new_pair, strict_client

TOKEN = "the API server's token"  # noqa: S105 - of this test's server

Json = dict[str, Any]


class Disk:
    """`append` as the endpoints get it. `blocked`: it hangs until the event is set, as on a stalled disk."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.blocked: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def append(self, facts: Sequence[AnyFact]) -> None:
        self.reached.set()
        if self.blocked is not None:
            await self.blocked.wait()
        await self.spool.append([encode(fact) for fact in facts])


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: Json


@dataclass(frozen=True)
class Hooks:
    """The running server and its parts."""

    port: int
    session: aiohttp.ClientSession
    claims: Claims
    webhooks: Webhooks
    disk: Disk
    token: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def call(self, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Answer:
        """One request, whatever is answered. Header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            named["Content-Length"], body = str(len(body)), _pieces(body)
        async with self.session.request(method, self.url + path, data=body, headers=named) as response:
            return Answer(response.status, response.headers, await response.json())

    async def admit(self, review: Json | bytes, **headers: str) -> Answer:
        """A review, as the API server sends it."""
        body = review if isinstance(review, bytes) else json.dumps(review).encode()
        return await self.call("/admission", body, Content_Type="application/json", **headers)

    async def audit(self, body: Any, **headers: str) -> Answer:
        """A batch, as the audit backend sends it."""
        usual = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
        return await self.call("/audit", body, **(usual | headers))

    async def spooled(self) -> list[AnyFact]:
        """The facts on the disk."""
        return [decode(body) for _, body in await self.disk.spool.take(100_000, 2**30)]


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    """A body that the client keeps no copy of."""
    for start in range(0, len(body), 2**16):
        yield memoryview(body)[start : start + 2**16]


def event_list(*events: Json) -> bytes:
    """An EventList of these events."""
    return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events}).encode()


@asynccontextmanager
async def hooks(folder: Path, *, spool_bytes: int = 2**30) -> AsyncIterator[Hooks]:
    """The server, until the block ends."""
    pair, volume, token = new_pair(), SecretVolume(folder / "tls"), folder / "token"
    volume.put(pair)
    token.write_text(f"{TOKEN}\n")
    certificate, claims = ServingCertificate(volume.certificate, volume.key), Claims()
    async with Spool.open(folder / "spool.db", spool_bytes) as spool, asyncio.TaskGroup() as tasks:
        disk = Disk(spool)
        served = Webhooks(RESOURCE, claims, disk.append, token)
        keeping = tasks.create_task(certificate.keep_current())
        try:
            await certificate.loaded()
            connector = aiohttp.TCPConnector(ssl=strict_client(pair.authority), limit=100)
            async with (
                webhooks.serving(Address("127.0.0.1", 0), certificate, served) as port,
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session,
            ):
                yield Hooks(port, session, claims, served, disk, token)
        finally:
            keeping.cancel()
