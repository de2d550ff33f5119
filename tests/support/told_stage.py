"""A stage whose API server tells the sidecar of each write: by the webhook, and by the audit log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from tests.support.registration import Hooks
from tests.support.stage import Stage
from tests.support.tenants import Json, Tenants
from tests.support.waiting import until


@dataclass
class ToldStage(Stage):
    """`hooks`: where the sidecar listens, and the audit log as a file."""

    hooks: Hooks
    _log_from: int = field(init=False)

    def __post_init__(self) -> None:
        self._log_from = self.hooks.log.stat().st_size if self.hooks.log.exists() else 0

    def as_user(self, user: str) -> Tenants:
        """The API server as that user sees it."""
        return replace(self.admin, token=self.kubernetes.tokens[user])

    async def start(self) -> None:
        """Start the sidecar; returns when it watches, and the API server's webhook reaches it."""
        self.sidecar.start()
        await self.sidecar.logged("watch_opened")
        await self.sidecar.logged("certificate_loaded")
        asked = (
            "SELECT count(*) FROM ledger.attributions WHERE source = 'admission' AND asked_at >= now() - interval '5 s'"
        )

        async def heard() -> Any:
            await self.delivered()
            return await self.ledger.value(asked)

        await until(heard, lambda: f"the webhook was never called:\n{self.sidecar.tail()}")

    def events(self) -> list[Json]:
        """The audit events since the beginning of this test, as the API server wrote them into its file."""
        with self.hooks.log.open("rb") as log:
            log.seek(self._log_from)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    async def ingest(self) -> str:
        """Feed these events to `python -m sidecar ingest`; returns what it prints."""
        file = self.sidecar.spool.parent / "audit-of-this-test.log"
        file.write_text("".join(json.dumps(event) + "\n" for event in self.events()))
        ended = await self.sidecar.command("ingest", str(file))
        assert ended.code == 0, ended.output + ended.errors
        return ended.output

    async def send(self, events: Sequence[Json]) -> None:
        """Send audit events to the sidecar as the API server's webhook backend does; it must take them."""
        body = {"apiVersion": "audit.k8s.io/v1", "kind": "EventList", "metadata": {}, "items": list(events)}
        headers = {"Authorization": f"Bearer {self.hooks.token}"}
        tls = self.hooks.tls()
        url = f"{self.hooks.url}/audit"
        async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers, ssl=tls) as answer:
            assert answer.status == 200, await answer.text()

    async def authors(self, uid: str) -> dict[int | None, tuple[str, str | None, str]]:
        """Generation (None: the removal) → who, who really, how that is known."""
        rows = await self.ledger.rows(
            "SELECT generation, actor, impersonated_by, how FROM ledger.authors WHERE tenant_uid = $1", uid
        )
        return {row["generation"]: (row["actor"], row["impersonated_by"], row["how"]) for row in rows}
