"""How organisations are billed."""

from sidecar.billing import orgs
from sidecar.billing.orgs import OrgConfig, StoredOrgConfig
from sidecar.billing.versions import version
from sidecar.web.routing import Call, Parts, Reply, Route


async def _get(parts: Parts, call: Call) -> Reply:
    found = await orgs.config(parts.database, call.path["org_id"])
    return Reply(found, version(found))


async def _put(parts: Parts, call: Call) -> Reply:
    now = await orgs.set_config(parts.database, call.path["org_id"], call.body, call.expected)
    return Reply(now, version(now))


_PATH = "/api/admin/billing/orgs/{org_id}/config"

ROUTES = (
    Route(
        method="GET",
        path=_PATH,
        name="getOrgConfig",
        summary="How an organisation is billed",
        notes="An organisation that has no configuration yet gets one with the defaults by this.",
        act=_get,
        answers=StoredOrgConfig,
        versioned=True,
    ),
    Route(
        method="PUT",
        path=_PATH,
        name="putOrgConfig",
        summary="Set how an organisation is billed",
        notes="Replaces the whole configuration: every field must be given (null where there is nothing), so that "
        "none is lost by being forgotten. With If-Match it is done only to that version; without, the last write wins.",
        act=_put,
        body=OrgConfig,
        answers=StoredOrgConfig,
        errors={409: "Another organisation has that Stripe customer."},
        versioned=True,
        conditional=True,
    ),
)
