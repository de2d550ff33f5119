"""The stage of most end-to-end tests: a real API server, a real Postgres, and the sidecar between them."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.envtest import Kubernetes
from tests.support.ledger_reader import LedgerReader
from tests.support.sidecar_process import Ended, Sidecar
from tests.support.tenants import PATH, Json, Tenants, tenant
from tests.support.waiting import until

_APPLY = "application/apply-patch+yaml"


@dataclass
class Stage:
    """`admin` may do everything; the sidecar has not been started."""

    kubernetes: Kubernetes
    ledger: LedgerReader
    sidecar: Sidecar
    admin: Tenants
    _marks: int = field(default=0, init=False, kw_only=True)

    async def mark(self) -> Json:
        """A change that is the last so far, to a tenant of its own; returns that as stored."""
        self._marks += 1
        body = tenant("zz-mark")
        body["spec"]["displayName"] = f"mark {self._marks}"  # a new generation, and nothing that bills
        stored = await self.admin.call("PATCH", f"{PATH}/zz-mark", body, content_type=_APPLY, fieldManager="mark")
        return stored.ok()

    async def delivered(self, mark: Json | None = None) -> None:
        """Wait until all that was committed before `mark` (if not given: before this call) has been delivered."""
        mark = mark or await self.mark()
        version = int(mark["metadata"]["resourceVersion"])
        await self.recorded("SELECT max(to_version) >= $1 FROM ledger.segments", version)

    async def recorded(self, query: str, *arguments: Any) -> Any:
        """Wait until the ledger's answer to `query` is true, and return it; the sidecar must be running."""
        ask = partial(self.ledger.value, query, *arguments)
        return await self.sidecar.while_running(ask, f"never true: {query} {arguments}")

    async def answered(self, status: int, *users: Tenants) -> None:
        """Wait until the API server answers a list of tenants with this status to each of them (default: admin).

        A whole list, which it refuses for longer than one with a limit when it begins anew.
        """

        async def all_answered() -> bool:
            return all([(await user.call("GET", PATH)).status == status for user in users or [self.admin]])

        await until(all_answered, f"lists were never answered with {status}")

    async def restart_kubernetes(self, *users: Tenants, kill: bool = True) -> None:
        """Restart the API server; it then knows nothing older than its own start.

        Returns when `users` (default: admin) are served: their rights get about a moment after it is ready.
        """
        await asyncio.to_thread(self.kubernetes.kill_apiserver if kill else self.kubernetes.stop_apiserver)
        await asyncio.to_thread(self.kubernetes.start_apiserver)
        await self.answered(200, *users)

    async def verified(self) -> str:
        """What `verify` prints; it must have found no difference."""
        ended: Ended = await self.sidecar.command("verify")
        assert ended.code == 0, ended.output + ended.errors
        assert "every row follows from its facts" in ended.output
        return ended.output

    async def skill_events(self, name: str = "") -> list[tuple[int, str, str]]:
        """Generation, skill, kind; of the tenants of that name, in order."""
        rows = await self.ledger.rows(
            "SELECT generation, skill_id, event_kind FROM ledger.skill_events WHERE tenant_name = $1 "
            "ORDER BY tenant_uid, generation, skill_id",
            name,
        )
        return [(row["generation"], row["skill_id"], row["event_kind"]) for row in rows]

    async def lifecycle(self, name: str) -> list[dict[str, Any]]:
        """The lifecycle rows of that name, in order."""
        query = "SELECT * FROM public.tenant_billing_lifecycle WHERE tenant_name = $1 ORDER BY created_at, deleted_at"
        return await self.ledger.rows(query, name)

    async def anomalies(self, kind: str) -> list[dict[str, Any]]:
        """The anomalies of that kind, in order."""
        return await self.ledger.rows("SELECT * FROM ledger.anomalies WHERE kind = $1 ORDER BY id", kind)
