"""Which tenants there are and were, and what happened to them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidecar.billing import tenants
from sidecar.billing.tenants import Change, Lifecycle
from sidecar.web.parameters import TenantName, TenantUid
from sidecar.web.problems import Problem
from sidecar.web.routing import Call, Parts, Reply, Route

# A lifecycle row is some 400 bytes of JSON, a change some 300: answers of at most half a MiB.
_MOST = 1_000
Limit = Annotated[int, Meta(ge=1, le=_MOST, description=f"how many at most, 1 to {_MOST}")]
Offset = Annotated[int, Meta(ge=0, le=2**31 - 1, description="how many to leave out")]


class TenantsQuery(Struct, frozen=True, kw_only=True):
    """Which tenants."""

    name: TenantName | UnsetType = UNSET
    live: Literal["true", "false"] | UnsetType = UNSET
    after: TenantUid | UnsetType = UNSET
    limit: Limit = 100


class TenantsPage(Struct, frozen=True, kw_only=True, rename="camel"):
    """Tenants in the order of their uids. `next`: what to give as `after` for the next page; null: this is the last."""

    tenants: list[Lifecycle]
    next: str | None


class TimelineQuery(Struct, frozen=True, kw_only=True):
    """Which part of it."""

    offset: Offset = 0
    limit: Limit = _MOST


class Timeline(Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened to the tenants that have had this name, tenant after tenant, each in the order of generations.

    `next`: what to give as `offset` for the next part; null: this is the last.
    """

    name: str
    changes: list[Change]
    next: int | None


async def _page(parts: Parts, call: Call) -> Reply:
    query: TenantsQuery = call.query
    found = await tenants.page(
        parts.database,
        name=query.name or None,
        live=query.live == "true" if query.live else None,
        after=query.after or None,
        limit=query.limit + 1,  # one more shows whether there is a next page
    )
    shown = found[: query.limit]
    return Reply(TenantsPage(tenants=shown, next=shown[-1].tenant_uid if len(found) > len(shown) else None))


async def _timeline(parts: Parts, call: Call) -> Reply:
    query: TimelineQuery = call.query
    name = call.path["name"]
    found = await tenants.timeline(parts.database, name, offset=query.offset, limit=query.limit + 1)
    if found is None:
        raise Problem(404, f"No tenant has had the name {name}.")
    more = len(found) > query.limit
    return Reply(Timeline(name=name, changes=found[: query.limit], next=query.offset + query.limit if more else None))


ROUTES = (
    Route(
        method="GET",
        path="/api/admin/billing/tenants",
        name="getTenants",
        summary="Tenants, living and gone",
        act=_page,
        query=TenantsQuery,
        answers=TenantsPage,
    ),
    Route(
        method="GET",
        path="/api/admin/billing/tenants/{name}/timeline",
        name="getTimeline",
        summary="Who changed what, when, in the tenants of a name",
        act=_timeline,
        query=TimelineQuery,
        answers=Timeline,
        errors={404: "No tenant has had that name."},
    ),
)
