"""Tenants that are nested deeper than our decoder goes, which the API server stores: they cost nobody anything."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from tests.support.tenants import MERGE, PATH, tenant
from tests.support.told_stage import ToldStage
from tests.support.waiting import until

LISTS = b"[" * 9_900 + b"]" * 9_900
OBJECTS = b'{"a":' * 1_100 + b"1" + b"}" * 1_100
"""As deep in the managed fields as in itself."""

DEEP = {"lists": LISTS, "objects": OBJECTS}
"""By name of the tenant: what is left of the first one's audit log may come while the other's test runs."""


async def _send(stage: ToldStage, method: str, name: str, body: bytes, content_type: str = "application/json") -> None:
    """A request whose answer a client of Python could not read either."""
    path = PATH if method == "POST" else f"{PATH}/{name}"
    status, answer = await asyncio.to_thread(stage.kubernetes._call, method, path, body, "admin", content_type)
    assert status in (200, 201), answer[:1_000]


async def _without_spool(stage: ToldStage) -> None:
    await stage.sidecar.stop()
    for file in stage.sidecar.spool.parent.glob("spool.db*"):
        file.unlink()
    await stage.start()


async def _stored(stage: ToldStage, name: str) -> bytes:
    call = stage.kubernetes._call
    status, answer = await asyncio.to_thread(call, "GET", f"{PATH}/{name}", None, "admin", "application/json")
    assert status == 200
    return answer


@pytest.fixture(params=DEEP)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stage(told: ToldStage, name: str) -> AsyncIterator[ToldStage]:
    """At its end without the deep tenant, which the client that clears it could not read."""
    yield told
    told.sidecar.abandon()
    await _send(told, "DELETE", name, b"")


async def _change(stage: ToldStage, name: str, package: str) -> None:
    """The next generation of both."""
    await _send(stage, "PATCH", name, b'{"spec":{"packages":["%s"]}}' % package.encode(), MERGE)
    await stage.admin.merge(f"flat-{name}", {"spec": {"packages": [package]}})


async def test_a_deep_tenant_and_all_others_are_recorded_across_restarts(stage: ToldStage, name: str):
    await stage.start()
    deep = DEEP[name]
    flat = await stage.admin.create(f"flat-{name}", "a")
    body = json.dumps(tenant(name, "a")).encode()
    await _send(stage, "POST", name, body.replace(b'"spec": {', b'"spec": {"extra": %s, ' % deep))
    assert deep in await _stored(stage, name)
    await _change(stage, name, "b")
    await stage.delivered()
    assert await stage.anomalies("watch_gap") == []  # the stream itself has told it

    await _without_spool(stage)
    await _change(stage, name, "c")
    await stage.delivered()
    assert await stage.anomalies("watch_gap") == []  # it was listed, and then told what had come

    await stage.sidecar.stop()
    await _change(stage, name, "d")
    await asyncio.to_thread(stage.kubernetes.restart_apiserver)
    await asyncio.to_thread(stage.kubernetes.wait_until_served)
    await stage.start()
    await stage.sidecar.logged("watch_listed", reason="expired")
    await _change(stage, name, "e")
    await stage.delivered()

    backfilled = await stage.sidecar.command("backfill")
    assert (backfilled.code, "unreadable" in backfilled.output) == (0, False), backfilled
    expected = [(1, "a", "enabled")]
    for generation, (lost, gained) in enumerate(pairwise("abcde"), 2):
        expected += [(generation, lost, "disabled"), (generation, gained, "enabled")]
    assert await stage.skill_events(f"flat-{name}") == await stage.skill_events(name) == expected
    for kind in ("unreadable", "watch_missed", "diverged"):
        assert await stage.anomalies(kind) == []
    await stage.verified()
    (row,) = await stage.lifecycle(name)

    async def named() -> bool:
        """By the audit log: its webhook's backend has sent by now what came after the restart."""
        return 5 in await stage.authors(str(row["tenant_uid"])) and 5 in await stage.authors(flat["metadata"]["uid"])

    await until(named, stage.sidecar.tail)
    assert (await stage.authors(str(row["tenant_uid"])))[5][0] == "admin"
    assert (await stage.authors(flat["metadata"]["uid"]))[5][0] == "admin"
