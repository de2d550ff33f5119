"""Which tenants there are and were, and what happened to them."""

from msgspec import Struct

from sidecar.billing import statements
from sidecar.billing.database import Database
from sidecar.billing.prices import Moment


class Lifecycle(Struct, frozen=True, kw_only=True, rename="camel"):
    """From when to when a tenant lived: a row of `tenant_billing_lifecycle`. deletedAt null: it lives."""

    tenant_uid: str
    tenant_name: str
    zitadel_org_id: str | None
    created_at: Moment
    deleted_at: Moment | None
    deleted_not_before: Moment | None
    deleted_source: str | None
    source: str
    recorded_at: Moment


class Change(Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that happened to a tenant: when, how that time is known, and who did it, as far as is known.

    `not_before`: the last moment known to be before it. `how`: proven by the audit log, likely, or claimed by the
    admission request.
    """

    tenant_uid: str
    generation: int | None
    occurred_at: Moment
    not_before: Moment | None
    time_source: str
    change: str
    skill_id: str | None
    actor: str | None
    impersonated_by: str | None
    how: str | None


async def page(
    database: Database, *, name: str | None, live: bool | None, after: str | None, limit: int
) -> list[Lifecycle]:
    """Up to `limit` tenants in the order of their uids, from the one after the uid `after` on.

    `live`: only those that live (True) or are gone (False).
    """
    async with database.snapshot() as transaction:
        return await transaction.rows(Lifecycle, statements.SELECT_TENANTS, name, live, after, limit)


async def timeline(database: Database, name: str, *, offset: int, limit: int) -> list[Change] | None:
    """What happened to all tenants that have had this name, the oldest tenant first; None: there was none.

    The changes from number `offset` (from 0) on, `limit` at most.
    """
    async with database.snapshot() as transaction:
        lives = [record["tenant_uid"] for record in await transaction.records(statements.SELECT_LIVES, name)]
        if not lives:
            return None
        return await transaction.rows(Change, statements.SELECT_TIMELINE, lives, limit, offset)
