"""The definition of the PiecedTenant comes late, changes, or lets through what cannot be billed."""

import asyncio
import copy
from collections.abc import AsyncIterator

import pytest

from tests.support.envtest import CRD
from tests.support.stage import Stage
from tests.support.tenants import MERGE, PATH, Json, tenant
from tests.support.truth import LABEL
from tests.support.waiting import until, until_a_later_second

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DEFINITION = f"{DEFINITIONS}/piecedtenants.pieced.ch"


@pytest.fixture
async def definition(stage: Stage) -> AsyncIterator[Json]:
    """What the definition's one version says, to be changed by `_define`; put back afterwards."""
    (version,) = (await stage.admin.call("GET", DEFINITION)).ok()["spec"]["versions"]
    yield copy.deepcopy(version)
    await _define(stage, version)

    async def defined() -> bool:
        body = tenant("probe")
        body["spec"] = {"packages": "jitsi"}
        refused = await stage.admin.call("POST", body=body, dryRun="All")
        body["spec"] = {}
        accepted = await stage.admin.call("POST", body=body, dryRun="All")
        return refused.status == 422 and accepted.status == 201 and accepted.ok()["spec"] == {}

    await until(defined, "the definition was never as before")


async def _define(stage: Stage, version: Json) -> None:
    patch = {"spec": {"versions": [version]}}
    (await stage.admin.call("PATCH", DEFINITION, patch, content_type=MERGE)).ok()


def _spec_of(version: Json) -> Json:
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


async def test_a_sidecar_that_is_there_before_the_definition_waits_until_it_is_served(stage: Stage):
    (await stage.admin.call("DELETE", DEFINITION)).ok()
    await stage.answered(404)
    stage.sidecar.start()
    awaited = await stage.sidecar.logged("resource_awaited")
    assert "is its CRD installed?" in awaited["reason"]
    await asyncio.to_thread(
        stage.kubernetes.request, "POST", DEFINITIONS, CRD.read_bytes(), content_type="application/yaml"
    )
    await stage.sidecar.logged("watch_opened")
    await stage.admin.create("acme", "jitsi")
    await stage.delivered()
    assert await stage.skill_events("acme") == [(1, "jitsi", "enabled")]
    assert "complete: nothing is missing" in await stage.verified()


async def test_a_server_that_is_still_reading_the_tenants_is_given_the_time_that_it_asks_for(
    stage: Stage, definition: Json
):
    stage.sidecar.start()
    await stage.delivered()
    await stage.admin.create("acme", "jitsi")
    for number in range(20):  # 20 MiB: they take the server longer to read than the sidecar to ask for a watch
        heavy = tenant(f"heavy-{number:02}")
        heavy["spec"]["displayName"] = "x" * 2**20
        await asyncio.to_thread(stage.kubernetes.request, "POST", PATH, heavy)
    await stage.delivered()
    await stage.sidecar.stop()
    refused = await _start_while_the_server_reads(stage, definition)
    assert "429 TooManyRequests): storage is (re)initializing" in refused["detail"]
    assert refused["wait"] >= 1  # Retry-After
    await stage.admin.merge("acme", {"spec": {"packages": []}})
    await stage.delivered()
    assert await stage.skill_events("acme") == [(1, "jitsi", "enabled"), (2, "jitsi", "disabled")]


async def _start_while_the_server_reads(stage: Stage, definition: Json) -> Json:
    """A sidecar that was refused a watch at first, and now has one; what it logged of the refusal.

    A definition that changes makes the server begin anew with the first request after it: the sidecar's. On busy
    cores it may all the same be done before the sidecar asks for a watch; then once more.
    """
    for attempt in range(10):
        definition["schema"]["openAPIV3Schema"]["description"] = f"A tenant, {attempt}"
        await _define(stage, definition)
        stage.sidecar.start()
        await stage.sidecar.logged("watch_opened")
        if refused := stage.sidecar.events("watch_lost", reason="refused"):
            return refused[0]
        await stage.sidecar.stop()
    raise AssertionError("the server was always ready for the sidecar")


async def test_a_default_that_changes_content_under_a_known_generation_counts_from_the_next_one(
    stage: Stage, definition: Json
):
    stage.sidecar.environment["SIDECAR_RESYNC_SECONDS"] = "2"
    stage.sidecar.start()
    await stage.delivered()
    body = tenant("acme")
    del body["spec"]["packages"]
    (await stage.admin.call("POST", body=body)).ok()
    await stage.delivered()
    _spec_of(definition)["packages"]["default"] = ["wiki"]
    await _define(stage, definition)

    async def defaulted() -> bool:
        stored = await stage.admin.call("GET", f"{PATH}/acme")  # 429 while the server begins anew
        return stored.status == 200 and stored.ok()["spec"].get("packages") == ["wiki"]

    await until(defaulted, "the default never came")
    query = "SELECT * FROM ledger.anomalies WHERE kind = 'diverged'"
    await stage.recorded(query)
    assert await stage.skill_events("acme") == []
    assert (await stage.admin.get("acme"))["metadata"]["generation"] == 1
    await stage.admin.merge("acme", {"spec": {"displayName": "acme"}})
    await stage.delivered()
    assert await stage.skill_events("acme") == [(2, "wiki", "enabled")]
    assert "ANOMALY    diverged: 1" in await stage.verified()


async def test_packages_that_are_no_list_of_strings_are_said_to_be_unreadable_until_they_are_one_again(
    stage: Stage, definition: Json
):
    stage.sidecar.start()
    await stage.delivered()
    await stage.admin.create("acme", "jitsi", "wiki")
    await stage.delivered()
    del _spec_of(definition)["packages"]  # unknown fields are preserved, so anything may stand there now
    await _define(stage, definition)

    async def accepted() -> bool:
        patch = {"spec": {"packages": "jitsi,wiki"}}
        return (await stage.admin.call("PATCH", f"{PATH}/acme", patch, content_type=MERGE)).status == 200

    await until(accepted, "a text was never accepted as packages")
    await stage.delivered()
    (unreadable,) = await stage.anomalies("unreadable")
    assert "$.spec.packages" in unreadable["detail"]
    assert len(await stage.skill_events("acme")) == 2  # no guess
    await stage.admin.merge("acme", {"spec": {"packages": ["wiki", "threema"]}})
    await stage.delivered()
    assert await stage.skill_events("acme") == [
        (1, "jitsi", "enabled"),
        (1, "wiki", "enabled"),
        (3, "jitsi", "disabled"),
        (3, "threema", "enabled"),
    ]
    await stage.admin.merge("acme", {"spec": {"packages": {"threema": True}}})
    await stage.admin.delete("acme")
    await stage.delivered()
    (life,) = await stage.lifecycle("acme")
    assert life["deleted_source"] in ("watch", "late")  # a definition that changes ends the stream
    assert await stage.ledger.rows("SELECT * FROM ledger.missing_generations") == []
    assert await stage.ledger.rows("SELECT * FROM ledger.open_ends") == []
    assert "ANOMALY    unreadable: 2" in await stage.verified()


async def test_an_org_label_is_followed_when_it_is_added_changed_and_removed(stage: Stage):
    stage.sidecar.start()
    await stage.delivered()
    await stage.admin.create("acme", "jitsi")
    orgs: list[str | None] = []
    for org in ("1", "2", None):
        await stage.admin.merge("acme", {"metadata": {"labels": {LABEL: org}}})
        await stage.delivered()
        orgs.append((await stage.lifecycle("acme"))[0]["zitadel_org_id"])
    assert orgs == ["1", "2", None]
    await stage.admin.merge("acme", {"metadata": {"labels": {LABEL: "3"}}, "spec": {"packages": []}})
    await stage.delivered()
    # An event keeps the org that its generation began with, and labels alone make no event.
    query = "SELECT zitadel_org_id, generation FROM ledger.skill_events WHERE tenant_name = 'acme' ORDER BY generation"
    assert [tuple(row.values()) for row in await stage.ledger.rows(query)] == [(None, 1), ("3", 2)]
    assert len(await stage.anomalies("org_changed")) == 4
    assert "complete: nothing is missing" in await stage.verified()


async def test_a_tenant_of_a_mebibyte_is_watched_and_listed_like_any_other(stage: Stage):
    listed, watched = (tenant(name, "jitsi") for name in ("listed", "watched"))
    listed["spec"]["displayName"] = watched["spec"]["displayName"] = "x" * 2**20
    await asyncio.to_thread(stage.kubernetes.request, "POST", PATH, listed)
    await until_a_later_second()  # else it may be as old as our history, and no older
    stage.sidecar.start()
    await stage.delivered()
    await asyncio.to_thread(stage.kubernetes.request, "POST", PATH, watched)
    for name in ("listed", "watched"):
        await stage.admin.merge(name, {"spec": {"packages": ["jitsi", "wiki"]}})
    await stage.delivered()
    assert await stage.skill_events("watched") == [(1, "jitsi", "enabled"), (2, "wiki", "enabled")]
    # It was there before us: its baseline waits for the first backfill.
    assert await stage.skill_events("listed") == [(2, "wiki", "enabled")]
    assert "complete: nothing is missing" in await stage.verified()
