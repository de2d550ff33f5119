"""Every route of the plain port, once, and the document that is made of them."""

import msgspec

from sidecar.web import health, operations, orgs, prices, tenants
from sidecar.web.openapi import document
from sidecar.web.routing import Call, Parts, Reply, Route

DOCUMENTED = (*health.ROUTES, *operations.ROUTES, *prices.ROUTES, *orgs.ROUTES, *tenants.ROUTES)
"""What the OpenAPI document speaks of: all but itself."""

_DOCUMENT = msgspec.json.encode(document(DOCUMENTED))


async def _openapi(_: Parts, __: Call) -> Reply:
    return Reply(_DOCUMENT)


ROUTES = (
    *DOCUMENTED,
    Route(method="GET", path="/api/openapi.json", name="openapi", summary="The OpenAPI document", act=_openapi),
)
