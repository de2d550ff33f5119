"""How the process is, for kubelet and Prometheus. Nothing here names a tenant."""

from typing import Literal

from msgspec import Struct

from sidecar.metrics import CONTENT_TYPE
from sidecar.web.problems import Problem
from sidecar.web.routing import Call, Parts, Reply, Route


class Well(Struct, frozen=True, kw_only=True):
    """All is well."""

    status: Literal["ok"] = "ok"


async def _healthz(parts: Parts, _: Call) -> Reply:
    if ailments := await parts.vitals.ailments():
        raise Problem(503, "; ".join(ailments))
    return Reply(Well())


async def _readyz(parts: Parts, _: Call) -> Reply:
    if obstacles := await parts.vitals.obstacles():
        raise Problem(503, "; ".join(obstacles))
    return Reply(Well())


async def _metrics(parts: Parts, _: Call) -> Reply:
    return Reply(await parts.vitals.exposition())


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        name="healthz",
        summary="Whether the process runs its loops",
        notes="A loop that hangs is unhealthy. Postgres or the API server being away is not.",
        act=_healthz,
        answers=Well,
    ),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="Whether facts can be taken",
        act=_readyz,
        answers=Well,
    ),
    Route(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="Metrics in Prometheus' text format",
        act=_metrics,
        media_type=CONTENT_TYPE,
    ),
)
