"""The admin API on a free port of loopback, with a real Postgres and a real spool; its backfills are a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from sidecar.billing import Database
from sidecar.ledger import BackfillRun, Ledger
from sidecar.settings import Address
from sidecar.spool import Spool
from sidecar.web.callers import Callers
from sidecar.web.routing import Parts
from sidecar.web.server import serving

BILLING = "/api/admin/billing"
TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of the tests alone
NOTHING_NEW = BackfillRun(
    finished=True,
    tenants_examined=4,
    lifecycle_inserted=0,
    events_inserted=0,
    suspension_events_inserted=0,
    problems=[],
)


@dataclass
class ScriptedBackfills:
    """Answers what it was told to: a result, or an error that is raised."""

    answer: BackfillRun | Exception = NOTHING_NEW
    asked_by: list[str] = field(default_factory=list)

    async def run(self, asked_by: str) -> BackfillRun:
        self.asked_by.append(asked_by)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class ScriptedVitals:
    """Says what it was told to."""

    metrics: bytes = b""
    ailing: list[str] = field(default_factory=list)
    obstructed: list[str] = field(default_factory=list)

    async def ailments(self) -> list[str]:
        return self.ailing

    async def obstacles(self) -> list[str]:
        return self.obstructed

    async def exposition(self) -> bytes:
        return self.metrics


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is the JSON, or None."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    def ok(self) -> Any:
        """The body of a success. AssertionError for anything else."""
        assert self.status in (200, 204), (self.status, self.text)
        return self.body

    def error(self) -> tuple[int, str, str]:
        """Status, error and detail, of an answer that has these two and nothing more."""
        assert self.headers["Content-Type"].startswith("application/json"), self.headers
        assert set(self.body) == {"error", "detail"}, self.body
        return self.status, self.body["error"], self.body["detail"]


@dataclass
class AdminApi:
    """A running server and the parts behind it."""

    url: str
    port: int
    session: aiohttp.ClientSession
    spool: Spool
    backfills: ScriptedBackfills
    vitals: ScriptedVitals

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: Any = None,
        bearer: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. `path` below the billing API, or whole if it begins with two slashes."""
        sent = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
        if body is not None or data is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method,
            self.url + (path.removeprefix("/") if path.startswith("//") else BILLING + path),
            data=json.dumps(body) if body is not None else data,
            params=query,
            headers={**sent, **(headers or {})},
        ) as response:
            return Answer(response.status, response.headers, await response.text())


@asynccontextmanager
async def admin_api(
    database_url: str, folder: Path, callers: Callers | None = None, *, port: int = 0
) -> AsyncIterator[AdminApi]:
    """The API, with the token of `TOKEN` if `callers` is not given."""
    token_file = folder / "admin-token"
    await asyncio.to_thread(token_file.write_text, TOKEN + "\n")
    backfills, vitals = ScriptedBackfills(), ScriptedVitals()

    async def accept_removals(by: str) -> int:
        ledger = Ledger(database_url)
        try:
            return await ledger.accept_removals(by)
        finally:
            await ledger.close()

    async with (
        Spool.open(folder / "spool.db", 64 * 2**20) as spool,
        Database.opened(database_url) as database,
        aiohttp.ClientSession() as session,
    ):
        parts = Parts(database, backfills, accept_removals, spool.depth, vitals)
        callers = callers or Callers(token_file, None, "pieced-billing")
        async with serving(Address("127.0.0.1", port), parts, callers) as bound:
            yield AdminApi(f"http://127.0.0.1:{bound}", bound, session, spool, backfills, vitals)
