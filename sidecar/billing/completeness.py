"""What the ledger knows that it does not know, and what waits for a person."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from sidecar.billing import statements
from sidecar.billing.database import Database, Transaction
from sidecar.billing.prices import Moment

# Rows of each list in one answer; `counts` has how many there are. A person does not read more at once, and a
# broken week must not become an answer of hundreds of megabytes.
_ROWS = 1_000
_ANOMALIES = 100

T = TypeVar("T", bound=Struct)


class MissingGenerations(Struct, frozen=True, kw_only=True, rename="camel"):
    """Generations of a tenant that existed and that no source has told us; both ends included."""

    tenant_uid: str
    tenant_name: str
    generation_from: int
    generation_to: int
    not_before: Moment | None
    at: Moment | None


class OpenEnd(Struct, frozen=True, kw_only=True, rename="camel"):
    """A tenant that is gone, and what changed between its last known generation and its end is not known."""

    tenant_uid: str
    tenant_name: str
    last_known_generation: int | None
    at: Moment


class Gap(Struct, frozen=True, kw_only=True, rename="camel"):
    """A stretch of versions that no replica watched: a tenant could have been born and gone unseen in it."""

    from_version: str
    to_version: str
    from_at: Moment
    to_at: Moment


class HeldCensus(Struct, frozen=True, kw_only=True, rename="camel"):
    """A list that lacks more tenants than may end without a person's word (accept-removals)."""

    version: str
    sent_at: Moment


class Anomaly(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something a person must be able to find later."""

    id: int
    kind: str
    tenant_uid: str | None
    detail: dict[str, Any]
    from_at: Moment | None
    to_at: Moment | None
    recorded_at: Moment


class Standing(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which cluster the ledger records, since when, and up to which version it has been told.

    `adopted_at`: when the tenants older than `started_at` were taken over by the first backfill; null: not yet.
    """

    cluster_uid: str | None
    started_at: Moment | None
    adopted_at: Moment | None
    adopted_by: str | None
    delivered_version: str | None
    delivered_at: Moment | None


class Counts(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many rows there are; the lists show at most the first 1,000 each."""

    missing_generations: int
    open_ends: int
    gaps: int
    held_censuses: int


class Completeness(Struct, frozen=True, kw_only=True, rename="camel"):
    """The verdict, and what stands against it. `unsettled`: anomalies that wait for a person, how many by kind."""

    complete: bool
    standing: Standing
    counts: Counts
    unsettled: dict[str, int]
    missing_generations: list[MissingGenerations]
    open_ends: list[OpenEnd]
    gaps: list[Gap]
    held_censuses: list[HeldCensus]
    anomalies: list[Anomaly]


async def completeness(database: Database) -> Completeness:
    """All of it as of one moment. What has not been delivered yet is not in it: the spool knows."""
    async with database.snapshot() as transaction:
        standing = await transaction.the_row(Standing, statements.SELECT_STANDING)
        missing, missing_count = await _listed(transaction, statements.SELECT_MISSING, MissingGenerations)
        open_ends, open_end_count = await _listed(transaction, statements.SELECT_OPEN_ENDS, OpenEnd)
        gaps, gap_count = await _listed(transaction, statements.SELECT_GAPS, Gap)
        held, held_count = await _listed(transaction, statements.SELECT_HELD_CENSUSES, HeldCensus)
        anomalies = await transaction.records(statements.SELECT_ANOMALIES, _ANOMALIES)
        unsettled = await transaction.records(statements.COUNT_ANOMALIES)
    return Completeness(
        complete=not (missing or open_ends or gaps or held or unsettled),
        standing=standing,
        counts=Counts(
            missing_generations=missing_count, open_ends=open_end_count, gaps=gap_count, held_censuses=held_count
        ),
        unsettled={row["kind"]: row["count"] for row in unsettled},
        missing_generations=missing,
        open_ends=open_ends,
        gaps=gaps,
        held_censuses=held,
        anomalies=[Anomaly(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in anomalies],
    )


async def _listed(transaction: Transaction, select: str, shape: type[T]) -> tuple[list[T], int]:
    """The first rows of a list, and how many it has in all."""
    records = await transaction.records(select, _ROWS)
    found = [shape(**{name: record[name] for name in shape.__struct_fields__}) for record in records]
    return found, records[0]["total"] if records else 0
