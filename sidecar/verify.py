"""`verify`: derives what the ledger must hold from its facts again, and says what is missing.

Superfluous event rows are legitimate (a late observation adds rows, none is removed), so what can be checked is:
each event row says the state of its generation; each change between known neighbours has a row; no row is
without an observation; the lifecycle agrees.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import asyncpg

from sidecar import changes
from sidecar.billing.statements import COUNT_ANOMALIES
from sidecar.changes import Event, Observed
from sidecar.transactions import transaction

_TENANTS = """
SELECT t.tenant_uid::text AS uid, t.tenant_name, t.created_at,
       t.created_at >= h.started_at OR h.adopted_at IS NOT NULL AS baseline_counts,
       (SELECT array_agg(o.deletion_requested_at) FROM ledger.observations o
        WHERE o.tenant_uid = t.tenant_uid AND o.deletion_requested_at IS NOT NULL) AS requests,
       (SELECT array_agg(r.at) FROM ledger.removals r WHERE r.tenant_uid = t.tenant_uid) AS removals,
       (SELECT min(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid) AS first_version,
       (SELECT o.zitadel_org_id FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid
        ORDER BY o.resource_version DESC LIMIT 1) AS org,
       l.zitadel_org_id, l.tenant_name AS lifecycle_name,
       l.tenant_uid IS NOT NULL AS has_lifecycle, l.created_at AS lifecycle_created_at, l.deleted_at
FROM ledger.tenants t
CROSS JOIN ledger.history h
LEFT JOIN public.tenant_billing_lifecycle l USING (tenant_uid)
ORDER BY t.tenant_uid
"""

_NAMESAKES = """
SELECT t.tenant_uid::text AS uid, t.tenant_name, t.created_at,
       (SELECT min(o.resource_version) FROM ledger.orgs o WHERE o.tenant_uid = t.tenant_uid) AS first_version
FROM ledger.tenants t
WHERE t.tenant_name IN (SELECT tenant_name FROM ledger.tenants GROUP BY tenant_name HAVING count(*) > 1)
"""

_OBSERVATIONS = """
SELECT tenant_uid::text AS uid, generation, packages, suspended, deletion_requested_at
FROM ledger.observations
ORDER BY tenant_uid, generation
"""

_EVENTS = """
SELECT tenant_uid::text AS uid, generation, skill_id, event_kind FROM (
    SELECT tenant_uid, generation, skill_id, event_kind FROM public.tenant_skill_events
    UNION ALL
    SELECT tenant_uid, generation, NULL, event_kind FROM public.tenant_suspension_events
) e
ORDER BY tenant_uid, generation
"""

_ORPHANS = """
SELECT tenant_uid::text AS uid, 'a lifecycle row without any fact about the tenant' AS what
FROM public.tenant_billing_lifecycle WHERE tenant_uid NOT IN (SELECT tenant_uid FROM ledger.tenants)
UNION ALL
SELECT DISTINCT tenant_uid::text, 'event rows without any fact about the tenant'
FROM (SELECT tenant_uid FROM public.tenant_skill_events UNION SELECT tenant_uid FROM public.tenant_suspension_events) e
WHERE tenant_uid NOT IN (SELECT tenant_uid FROM ledger.tenants)
"""

_MISSING = """
SELECT tenant_name, tenant_uid::text AS tenant_uid, generation_from, generation_to, not_before, at
FROM ledger.missing_generations ORDER BY tenant_name, tenant_uid, generation_from
"""
_OPEN_ENDS = """
SELECT tenant_name, tenant_uid::text AS tenant_uid, last_known_generation, at
FROM ledger.open_ends ORDER BY tenant_name, tenant_uid
"""
_GAPS = "SELECT from_version::text, to_version::text, from_at, to_at FROM ledger.gaps ORDER BY from_version"
_HELD = "SELECT version::text, sent_at FROM ledger.censuses WHERE held ORDER BY sent_at"


@dataclass
class Report:
    """What `verify` found. `differences`: derived and stored disagree; the rest: what is known to be unknown."""

    tenants: int = 0
    generations: int = 0
    events: int = 0
    differences: list[str] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    open_ends: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    unsettled: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """No missing number, no open end, no gap, and nothing that waits for a person."""
        return not (self.missing or self.open_ends or self.gaps or self.held or self.unsettled)

    def lines(self) -> Iterator[str]:
        """The report for a person."""
        for difference in self.differences:
            yield f"DIFFERENT  {difference}"
        for name, rows in (
            ("MISSING", self.missing),
            ("OPEN END", self.open_ends),
            ("GAP", self.gaps),
            ("HELD", self.held),
        ):
            for row in rows:
                yield f"{name:<10} " + " ".join(f"{key}={_shown(value)}" for key, value in row.items())
        for kind, count in self.unsettled.items():
            yield f"ANOMALY    {kind}: {count} rows of that kind in ledger.anomalies"
        checked = f"{self.tenants} tenants, {self.generations} generations, {self.events} events"
        verdict = "complete: nothing is missing" if self.complete else "incomplete: see the lines above"
        agree = f"{len(self.differences)} differences" if self.differences else "every row follows from its facts"
        yield f"verified {checked}: {agree}; {verdict}"


class _PerTenant:
    """Walks a cursor sorted by tenant in step with another: one tenant's rows at a time, in bounded memory."""

    def __init__(self, rows: AsyncIterator[Any]) -> None:
        self._rows = rows
        self._next: Any = None

    async def of(self, uid: str) -> list[Any]:
        """The rows of `uid`; rows of tenants before it are passed over (the orphan check names them)."""
        taken: list[Any] = []
        while True:
            if self._next is None:
                self._next = await anext(self._rows, None)
            if self._next is None or self._next["uid"] > uid:
                return taken
            if self._next["uid"] == uid:
                taken.append(self._next)
            self._next = None


async def verify(connection: asyncpg.Connection) -> Report:
    """Checks the whole ledger in one snapshot. `connection` must not be in a transaction."""
    async with transaction(connection, isolation="repeatable_read", readonly=True):
        return await check(connection)


async def check(connection: asyncpg.Connection) -> Report:
    """The same within the transaction that `connection` is in."""
    report = Report()
    successors = _successors(await connection.fetch(_NAMESAKES))
    observations = _PerTenant(aiter(connection.cursor(_OBSERVATIONS, prefetch=1000)))
    events = _PerTenant(aiter(connection.cursor(_EVENTS, prefetch=1000)))
    async for tenant in connection.cursor(_TENANTS, prefetch=1000):
        observed = [_observed(row) for row in await observations.of(tenant["uid"])]
        written = [
            Event(row["generation"], row["skill_id"], row["event_kind"]) for row in await events.of(tenant["uid"])
        ]
        report.tenants += 1
        report.generations += len(observed)
        report.events += len(written)
        who = f"{tenant['tenant_name']} ({tenant['uid']})"
        for what in _differences(tenant, observed, written, successors.get(tenant["uid"])):
            report.differences.append(f"{who}: {what}")
    report.differences += [f"{row['uid']}: {row['what']}" for row in await connection.fetch(_ORPHANS)]
    report.missing = [dict(row) for row in await connection.fetch(_MISSING)]
    report.open_ends = [dict(row) for row in await connection.fetch(_OPEN_ENDS)]
    report.gaps = [dict(row) for row in await connection.fetch(_GAPS)]
    report.held = [dict(row) for row in await connection.fetch(_HELD)]
    report.unsettled = {row["kind"]: row["count"] for row in await connection.fetch(COUNT_ANOMALIES)}
    return report


def _differences(
    tenant: asyncpg.Record, observed: list[Observed], written: list[Event], successor: datetime | None
) -> Iterator[str]:
    by_generation = {o.generation: o for o in observed}
    for event in written:
        if event.generation not in by_generation:
            yield f"{_named(event)} without an observation"
        elif (state := changes.state_of(by_generation[event.generation], event.skill_id)) != event.kind:
            yield f"{_named(event)}, but that generation says {state}"
    due = list(changes.of_history(observed, baseline_counts=bool(tenant["baseline_counts"])))
    for event in sorted(set(due) - set(written), key=lambda e: (e.generation, e.skill_id or "")):
        yield f"{_named(event)} has no row"
    ended = changes.end(tenant["created_at"], [*(tenant["requests"] or ()), *(tenant["removals"] or ()), successor])
    if tenant["deleted_at"] != ended and tenant["has_lifecycle"]:
        yield f"deleted_at is {tenant['deleted_at']}, the facts say {ended}"
    if tenant["has_lifecycle"] and tenant["lifecycle_created_at"] != tenant["created_at"]:
        yield f"created_at is {tenant['lifecycle_created_at']}, the facts say {tenant['created_at']}"
    if tenant["has_lifecycle"] and tenant["zitadel_org_id"] != tenant["org"]:
        yield f"the org is {tenant['zitadel_org_id']}, the facts say {tenant['org']}"
    if tenant["has_lifecycle"] and tenant["lifecycle_name"] != tenant["tenant_name"]:
        yield f"the name is {tenant['lifecycle_name']}, the facts say {tenant['tenant_name']}"
    if tenant["has_lifecycle"] != bool(tenant["baseline_counts"] or due or ended):
        yield ("has a lifecycle row before it was adopted" if tenant["has_lifecycle"] else "has no lifecycle row")


def _successors(namesakes: list[Any]) -> dict[str, datetime]:
    """For each tenant whose name was used again: when the next one of that name was created."""
    ordered = sorted(
        namesakes, key=lambda row: (row["tenant_name"], row["created_at"], row["first_version"], row["uid"])
    )
    return {
        older["uid"]: newer["created_at"]
        for older, newer in pairwise(ordered)
        if older["tenant_name"] == newer["tenant_name"]
    }


def _observed(row: asyncpg.Record) -> Observed:
    packages = None if row["packages"] is None else frozenset(row["packages"])
    return Observed(row["generation"], packages, row["suspended"], row["deletion_requested_at"])


def _named(event: Event) -> str:
    return f"generation {event.generation} {event.kind}" + (f" {event.skill_id}" if event.skill_id else "")


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
