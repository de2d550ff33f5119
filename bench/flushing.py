"""(c) What the flush adds to Postgres: facts delivered against the very same rows written by bare UNNEST."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.facts import BEGAN, CLUSTER, stream_facts
from bench.parts import Result, Row, median, new_ledger
from sidecar.facts import Began, encode
from sidecar.flush import Flush
from sidecar.ledger import Ledger
from sidecar.spool import Spool

_BATCH = 1_000  # facts a transaction, as the flush takes them
_MAX_BYTES = 2**30


@dataclass(frozen=True)
class _Table:
    """Where rows go. `columns`: name and type of those that have no default."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def insert(self) -> str:
        names = ", ".join(name for name, _ in self.columns)
        places = ", ".join(f"${n}::{_sent(kind)}[]" for n, (_, kind) in enumerate(self.columns, 1))
        read = ", ".join(f"{name}::{kind}" for name, kind in self.columns)
        return (
            f"INSERT INTO {self.name} ({names}) "  # noqa: S608 - names of this module
            f"SELECT {read} FROM unnest({places}) AS g({names}) ON CONFLICT DO NOTHING"
        )

    def select(self) -> str:
        read = ", ".join(f"{name}::{_sent(kind)}" for name, kind in self.columns)
        return f"SELECT {read} FROM {self.name} ORDER BY recorded_at"  # noqa: S608 - names of this module


def _sent(kind: str) -> str:
    """How a value travels: lists as text, because an array of arrays cannot be unnested row by row."""
    return "text" if kind.endswith("[]") else kind


_AT = "timestamptz"
_TABLES = (
    _Table("ledger.tenants", (("tenant_uid", "uuid"), ("tenant_name", "text"), ("created_at", _AT))),
    _Table(
        "ledger.observations",
        (
            ("tenant_uid", "uuid"),
            ("generation", "bigint"),
            ("resource_version", "numeric"),
            ("tenant_name", "text"),
            ("packages", "text[]"),
            ("suspended", "boolean"),
            ("suspended_at", _AT),
            ("created_at", _AT),
            ("deletion_requested_at", _AT),
            ("unreadable", "text"),
            ("source", "text"),
            ("content_sha256", "bytea"),
        ),
    ),
    _Table(
        "ledger.sightings",
        (("tenant_uid", "uuid"), ("generation", "bigint"), ("source", "text"), ("at", _AT), ("not_before", _AT)),
    ),
    _Table(
        "ledger.orgs",
        (
            ("tenant_uid", "uuid"),
            ("resource_version", "numeric"),
            ("generation", "bigint"),
            ("zitadel_org_id", "text"),
        ),
    ),
    _Table(
        "public.tenant_skill_events",
        (
            ("tenant_uid", "uuid"),
            ("tenant_name", "text"),
            ("zitadel_org_id", "text"),
            ("skill_id", "text"),
            ("event_kind", "text"),
            ("generation", "bigint"),
            ("occurred_at", _AT),
            ("not_before", _AT),
            ("time_source", "text"),
            ("source", "text"),
        ),
    ),
    _Table(
        "public.tenant_billing_lifecycle",
        (
            ("tenant_uid", "uuid"),
            ("tenant_name", "text"),
            ("zitadel_org_id", "text"),
            ("created_at", _AT),
            ("source", "text"),
        ),
    ),
)

_Columns = list[list[list[object]]]
"""Batches of columns of one table."""


async def measure(server: str, changes: int, rounds: int) -> Result:
    """`rounds` times: deliver all from a filled spool; then write what that made, batch by batch, by UNNEST."""
    bodies = [encode(fact) for fact in stream_facts(changes)]
    flushed, bare, rows = [], [], 0
    for _ in range(rounds):
        async with new_ledger(server) as database:
            flushed.append(changes / await _flush(database, bodies))
            made = {table: await _rows(database, table) for table in _TABLES}
        rows = sum(len(columns[0]) for batches in made.values() for columns in batches)
        async with new_ledger(server) as database:
            bare.append(changes / await _unnest(database, made))
    ratio = median(flushed) / median(bare)
    each = rows / changes
    what = f"flush: changes a second ({each:.1f} rows each), from the spool until confirmed"
    value = f"{median(flushed):,.0f} of {median(bare):,.0f}"
    row = Row("c", what, value, f"{ratio:.2f} x", "> 0.5 x", ratio > 0.5)
    return Result([row], {"flush": flushed, "unnest": bare, "rows_a_change": each})


async def _flush(database: str, bodies: list[bytes]) -> float:
    """Seconds from the first take to the last confirmation."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with Spool.open(Path(folder) / "spool.db", _MAX_BYTES) as spool:
            ledger = Ledger(database)
            try:
                flush = Flush(spool, ledger)
                await spool.append([encode(Began(cluster_uid=CLUSTER, at=BEGAN))])
                await flush.once()  # makes the connection
                for start in range(0, len(bodies), _BATCH):
                    await spool.append(bodies[start : start + _BATCH])
                started = time.perf_counter()
                while (await spool.depth()).facts:
                    if not await flush.once():
                        raise RuntimeError(f"the flush waits: {flush.waiting_for_postgres}")
                return time.perf_counter() - started
            finally:
                await ledger.close()


async def _rows(database: str, table: _Table) -> _Columns:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(table.select())
    finally:
        await connection.close()
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    return [[list(column) for column in zip(*batch, strict=True)] for batch in batches]


async def _unnest(database: str, made: dict[_Table, _Columns]) -> float:
    connection = await asyncpg.connect(database)
    try:
        statements = {table: await connection.prepare(table.insert()) for table in made}
        most = max(len(batches) for batches in made.values())
        started = time.perf_counter()
        for number in range(most):
            async with connection.transaction():
                for table, batches in made.items():
                    if number < len(batches):
                        await statements[table].fetch(*batches[number])
        return time.perf_counter() - started
    finally:
        await connection.close()
