"""What a person asks of the sidecar itself: a backfill, the end of tenants that are gone, whether all is complete."""

import time
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.billing.completeness import Completeness, completeness
from sidecar.billing.prices import Moment
from sidecar.facts import utc
from sidecar.web.problems import Problem
from sidecar.web.routing import Call, Parts, Reply, Route


class BackfillResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a backfill found and really inserted. `problems`: tenants left out and why; absent if there are none."""

    message: str
    tenants_examined: int
    lifecycle_inserted: int
    events_inserted: int
    suspension_events_inserted: int
    problems: list[str] = []


class Confirmation(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """That it is meant."""

    confirm: Annotated[
        bool, Meta(description="true: the missing tenants are really gone", extra_json_schema={"const": True})
    ]


class Accepted(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many tenants have ended by it."""

    tenants_ended: int


class Owed(Struct, frozen=True, kw_only=True, rename="camel"):
    """What this replica has recorded and not delivered yet.

    `lag_seconds`: for how long the oldest of it has waited; 0 if nothing waits. `set_aside`: facts that wait for a
    person, because Postgres refused them.
    """

    facts: int
    bytes: int
    set_aside: int
    oldest_at: Moment | None
    lag_seconds: float


class CompletenessAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether anything is missing in the ledger, what, and what is not in it yet."""

    ledger: Completeness
    spool: Owed


async def _backfill(parts: Parts, call: Call) -> Reply:
    run = await parts.backfills.run(call.by)
    return Reply(
        BackfillResult(
            message="Backfill complete.",
            tenants_examined=run.tenants_examined,
            lifecycle_inserted=run.lifecycle_inserted,
            events_inserted=run.events_inserted,
            suspension_events_inserted=run.suspension_events_inserted,
            problems=run.problems,
        )
    )


async def _accept_removals(parts: Parts, call: Call) -> Reply:
    body: Confirmation = call.body
    if not body.confirm:
        raise Problem(422, "confirm: must be true (it says that the missing tenants are really gone)")
    return Reply(Accepted(tenants_ended=await parts.accept_removals(call.by)))


async def _completeness(parts: Parts, _: Call) -> Reply:
    depth = await parts.depth()
    oldest_at = utc(depth.oldest_at) if depth.oldest_at is not None else None
    lag = max(0.0, time.time() - depth.oldest_at) if depth.oldest_at is not None else 0.0
    owed = Owed(
        facts=depth.facts,
        bytes=depth.bytes,
        set_aside=depth.set_aside,
        oldest_at=oldest_at,
        lag_seconds=round(lag, 3),
    )
    return Reply(CompletenessAnswer(ledger=await completeness(parts.database), spool=owed))


ROUTES = (
    Route(
        method="POST",
        path="/api/admin/billing/backfill",
        name="backfill",
        summary="Record what the living tenants have now, and adopt those that are older than the history",
        notes="Counts are what was really inserted. Run again, it inserts nothing.",
        act=_backfill,
        answers=BackfillResult,
        errors={409: "A backfill is running."},
    ),
    Route(
        method="POST",
        path="/api/admin/billing/accept-removals",
        name="acceptRemovals",
        summary="End the tenants that held censuses lack",
        notes="A list that lacks many tenants at once ends none of them until a person has said that they are gone.",
        act=_accept_removals,
        body=Confirmation,
        answers=Accepted,
    ),
    Route(
        method="GET",
        path="/api/admin/billing/completeness",
        name="getCompleteness",
        summary="What is missing, and what waits",
        notes="Lists have at most 1,000 rows, anomalies the newest 100; counts are of all.",
        act=_completeness,
        answers=CompletenessAnswer,
    ),
)
