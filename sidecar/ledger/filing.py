"""Filing facts: one transaction's worth of them, in five steps, on a connection that holds the writer's lock.

1. the lock (a statement of its own), 2. store the facts, 3. read the neighbours and 4. write the events that
follow from them, 5. lifecycle rows, removals and censuses. Why this order: of two writers that compared
neighbours at the same time, {1:a, 3:a} and {2:nothing} lost two of three events for good (measured).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import asyncpg
import msgspec

from sidecar.errors import Misconfigured
from sidecar.facts import (
    Adopted,
    Anomaly,
    AnyFact,
    Attribution,
    Backfilled,
    Began,
    Census,
    Fact,
    Removal,
    Seen,
    Segment,
)
from sidecar.ledger import statements
from sidecar.ledger.guard import too_many_vanished

# Adopting 100,000 tenants in one statement would outlast its timeout; 2,000 keys take well under a second.
_KEYS_A_STATEMENT = 2_000

# Looking through 200,000 generations with 12 packages each for rows that they lack takes 3 to 4 s (measured). All at
# once outlasted the statement's timeout with a million and a half, and what always times out blocks the queue.
_GENERATIONS_A_STATEMENT = 200_000
_LEAST_UID = "00000000-0000-0000-0000-000000000000"

_json = msgspec.json.Encoder()

F = TypeVar("F", bound=Fact)


@dataclass
class Filed:
    """How many rows a batch really added; `known`: its observations that were there already."""

    lifecycle: int = 0
    skill_events: int = 0
    suspension_events: int = 0
    held_censuses: int = 0
    known: int = 0

    def add(self, other: "Filed") -> None:
        """Counts what another part of the batch added, too."""
        self.lifecycle += other.lifecycle
        self.skill_events += other.skill_events
        self.suspension_events += other.suspension_events
        self.held_censuses += other.held_censuses
        self.known += other.known


async def file(connection: asyncpg.Connection, facts: Sequence[AnyFact]) -> Filed:
    """Files one batch inside an open transaction of `connection` (the caller commits). Raises as `Filing.file`.

    What a backfill's facts add is counted for that run alone, in this transaction.
    """
    await connection.execute(statements.BEGIN)
    runs: dict[int | None, list[AnyFact]] = {None: []}
    for fact in facts:
        runs.setdefault(fact.backfill, []).append(fact)
    total = Filed()
    for run, some in runs.items():
        filed = await Filing(connection).file(some)
        if run is not None:
            counts = (filed.lifecycle, filed.skill_events, filed.suspension_events)
            await connection.execute(statements.COUNT_BACKFILL, run, *counts)
        total.add(filed)
    return total


class Filing:
    """Facts of one origin, inside an open transaction of `connection` that holds the writer's lock."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._filed = Filed()
        self._changed: set[str] = set()  # tenants whose lifecycle may have moved

    async def file(self, facts: Sequence[AnyFact]) -> Filed:
        """Files all of them. Raises asyncpg's errors as they come; `Misconfigured` for a foreign cluster."""
        for began in _of(facts, Began):
            await self._begin(began)
        removals = _of(facts, Removal)
        await self._store(statements.STORE_REMOVALS, removals)  # before the events, whose times end with the tenant
        self._changed.update(r.tenant_uid for r in removals)
        await self._store_seen(_of(facts, Seen))
        await self._store(statements.STORE_ATTRIBUTIONS, _of(facts, Attribution))
        await self._store(statements.STORE_ANOMALIES, _of(facts, Anomaly))
        for adopted in _of(facts, Adopted):
            await self._adopt(adopted)
        for census in _of(facts, Census):
            await self._take_census(census)
        for backfilled in _of(facts, Backfilled):
            await self._repair()
            await self._finish_backfill(backfilled)
        await self._write_lifecycle()
        await self._store(statements.STORE_SEGMENTS, _of(facts, Segment))
        return self._filed

    async def _begin(self, began: Began) -> None:
        row = await self._row(statements.STORE_BEGAN, began.cluster_uid, began.at)
        if row["cluster_uid"] != began.cluster_uid:
            raise Misconfigured(
                f"this ledger belongs to the cluster whose kube-system namespace has uid {row['cluster_uid']}, "
                f"but this sidecar watches {began.cluster_uid}: check KUBECONFIG and DATABASE_URL; "
                "one ledger records one cluster"
            )
        if row["before"] is None or row["started_at"] < row["before"]:
            # Tenants created since are ours after all, not inherited: their baselines need no adoption.
            await self._write_baselines(row["started_at"], row["before"])

    async def _adopt(self, adopted: Adopted) -> None:
        for row in await self._connection.fetch(statements.STORE_ADOPTED, adopted.at, adopted.by):
            await self._write_baselines(None, row["started_at"])

    async def _write_baselines(self, created_from: datetime | None, created_before: datetime | None) -> None:
        rows = await self._at_large(statements.SELECT_BASELINES, created_from, created_before)
        self._changed.update(row["tenant_uid"] for row in rows)
        await self._write_events([(row["tenant_uid"], row["generation"]) for row in rows if row["generation"]])

    async def _repair(self) -> None:
        """Brings back what follows from the facts and has no row: a database restored in part."""
        after: str | None = _LEAST_UID
        while after is not None:
            upto = await self._connection.fetchval(statements.SELECT_PAGE_END, after, _GENERATIONS_A_STATEMENT)
            rows = await self._connection.fetch(statements.SELECT_UNWRITTEN, after, upto)
            await self._write_events([(row["tenant_uid"], row["generation"]) for row in rows], source="backfill")
            after = upto
        self._changed.update(row["tenant_uid"] for row in await self._at_large(statements.SELECT_ROWLESS))

    async def _finish_backfill(self, done: Backfilled) -> None:
        problems = _json.encode(done.problems).decode()
        await self._connection.execute(statements.FINISH_BACKFILL, done.backfill, done.tenants_examined, problems)

    async def _store_seen(self, seen: Sequence[Seen]) -> None:
        if not seen:
            return
        keys = [(s.tenant_uid, s.generation) for s in seen]
        rows = await self._connection.fetch(statements.STORE_SEEN, _json_text(seen))
        if met := [uid for uid, generation in rows if generation is None]:
            await self._connection.execute(statements.APPLY_EARLIER_CENSUSES, met)
        known = {(uid, generation) for uid, generation in rows if generation is not None}
        again = [s for s, key in zip(seen, keys, strict=True) if key in known]
        self._filed.known += len(again)
        # Of two facts of one key in one batch, either may be the one that was stored: then all are compared.
        await self._store(statements.FIND_OTHER_CONTENT, again if len(set(keys)) == len(keys) else seen)
        uids = _json_text([s.tenant_uid for s in seen])
        await self._connection.execute(
            statements.FIND_CONTRADICTIONS, uids, _json_text([s.resource_version for s in seen])
        )
        await self._connection.execute(statements.FIND_SKEW, uids, _json_text([s.generation for s in seen]))
        self._changed.update(s.tenant_uid for s in seen)
        # What follows from an observation was written in the transaction that stored it.
        await self._write_events([key for key in keys if key not in known] if known else keys)

    async def _write_events(self, keys: Sequence[tuple[str, int]], source: str | None = None) -> None:
        for start in range(0, len(keys), _KEYS_A_STATEMENT):
            some = keys[start : start + _KEYS_A_STATEMENT]
            row = await self._row(
                statements.WRITE_EVENTS,
                _json_text([uid for uid, _ in some]),
                _json_text([generation for _, generation in some]),
                source,
            )
            self._filed.skill_events += row["skill_events"]
            self._filed.suspension_events += row["suspension_events"]

    async def _store(self, statement: str, facts: Sequence[Fact]) -> None:
        if facts:
            await self._connection.execute(statement, _json_text(facts))

    async def _take_census(self, census: Census) -> None:
        key = (census.version, census.sent_at)
        if (
            await self._connection.fetchval(
                statements.STORE_CENSUS, *key, census.answered_at, census.not_before, census.uids, census.gone
            )
            is None
        ):
            return
        (count,) = await self._at_large(statements.COUNT_VANISHED, *key)
        if too_many_vanished(count["vanished"], count["live"]):
            await self._connection.execute(
                statements.HOLD_CENSUS, *key, count["live"], count["vanished"], count["examples"]
            )
            self._filed.held_censuses += 1
        else:
            await self.apply_census(*key)
        await self._at_large(statements.FIND_RETURNED, *key)

    async def apply_census(self, version: str, sent_at: datetime) -> None:
        """Ends what the stored census lacks, whatever the guard would say."""
        rows = await self._at_large(statements.APPLY_CENSUS, version, sent_at)
        self._changed.update(row["tenant_uid"] for row in rows)

    async def _write_lifecycle(self) -> None:
        uids = sorted(self._changed)
        for start in range(0, len(uids), _KEYS_A_STATEMENT):
            some = uids[start : start + _KEYS_A_STATEMENT]
            self._filed.lifecycle += await self._connection.fetchval(statements.WRITE_LIFECYCLE, _json_text(some))

    async def _at_large(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement that looks at all tenants."""
        await self._connection.execute(statements.READ_AT_LARGE)
        rows = await self._connection.fetch(statement, *arguments)
        await self._connection.execute(statements.READ_BY_KEY)
        return rows

    async def _row(self, statement: str, *arguments: object) -> asyncpg.Record:
        """The one row of a statement that always has one."""
        (row,) = await self._connection.fetch(statement, *arguments)
        return row

    async def accept_removals(self, accepted_by: str) -> int:
        """A person says that what the held censuses lack is gone. Returns how many tenants ended."""
        await self._connection.execute(statements.BEGIN)
        for row in await self._connection.fetch(statements.ACCEPT_CENSUSES, accepted_by):
            await self.apply_census(row["version"], row["sent_at"])
        await self._write_lifecycle()
        return len(self._changed)


def _json_text(values: Sequence[object]) -> str:
    """Facts or keys as one JSON array, which the statements take apart: one parameter.

    An array a column costs this process six times as much, because asyncpg looks at each element twice, and
    Postgres only half as much (measured: 5.0 and 2.5 instead of 0.8 and 4.4 microseconds for a row of 16 columns).
    """
    return _json.encode(values).decode()


def _of(facts: Iterable[AnyFact], kind: type[F]) -> list[F]:
    return [fact for fact in facts if type(fact) is kind]
