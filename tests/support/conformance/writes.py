"""What each kind of write does to the object, to a watch, and what a webhook sees of it."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.support.conformance.api import FINALIZER, Api, generation_of, next_event, unversioned, version_of
from tests.support.tenants import JSON_PATCH, MERGE, PATH, Json, tenant


class Writes:
    """Part of the suite: what each kind of write does to the object, to a watch, and what a webhook sees of it."""

    async def test_a_create_is_added_with_generation_1_and_the_webhook_saw_its_final_identity(self, api: Api):
        async with api.tenants.watch(resourceVersion=await api.tenants.version()) as watch:
            created = await api.alice.create("acme", "jitsi", labels={"pieced.ch/zitadel-org-id": "1"})
            assert await next_event(watch, "ADDED") == created
        assert generation_of(created) == 1
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created["metadata"]["creationTimestamp"])
        [review] = api.reviews
        assert (review["operation"], review["name"], review["dryRun"]) == ("CREATE", "acme", False)
        assert review["object"] == unversioned(created)
        assert review["oldObject"] is None
        assert review["userInfo"]["username"] == "alice"
        assert "system:authenticated" in review["userInfo"]["groups"]

    @pytest.mark.parametrize(
        ("content_type", "patch"),
        [
            (MERGE, {"spec": {"packages": ["jitsi", "threema"]}}),
            (JSON_PATCH, [{"op": "add", "path": "/spec/packages/-", "value": "threema"}]),
            (JSON_PATCH, [{"op": "replace", "path": "/spec/packages", "value": ["jitsi", "threema"]}]),
        ],
    )
    async def test_a_spec_change_raises_the_generation_and_the_webhook_saw_the_version_it_replaces(
        self, api: Api, content_type: str, patch: Any
    ):
        created = await api.tenants.create("acme", "jitsi")
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            answer = await api.tenants.call("PATCH", f"{PATH}/acme", patch, content_type=content_type)
            changed = await next_event(watch, "MODIFIED")
        assert answer.ok() == changed
        assert changed["spec"]["packages"] == ["jitsi", "threema"]
        assert generation_of(changed) == 2
        assert version_of(changed) > version_of(created)
        review = api.reviews[-1]
        assert (review["operation"], review["name"]) == ("UPDATE", "acme")
        assert review["oldObject"] == created
        assert unversioned(review["object"]) == unversioned(changed)
        assert version_of(review["object"]) == version_of(created)

    async def test_a_replacement_is_a_spec_change_too(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        body = {**created, "spec": {"packages": [], "suspend": True}}
        replaced = (await api.tenants.call("PUT", f"{PATH}/acme", body)).ok()
        assert replaced["spec"] == body["spec"]
        assert generation_of(replaced) == 2

    async def test_a_status_write_changes_the_status_alone_and_asks_no_webhook(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        api.reviews.clear()
        patch = {
            "status": {"suspendedAt": "2026-11-22T09:26:49Z"},
            "spec": {"packages": ["no"]},
            "metadata": {"labels": {"no": "no"}, "finalizers": [FINALIZER]},
        }
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            answer = await api.tenants.call("PATCH", f"{PATH}/acme/status", patch, content_type=MERGE)
            changed = await next_event(watch, "MODIFIED")
        assert answer.ok() == changed
        assert changed["status"] == {"suspendedAt": "2026-11-22T09:26:49Z"}
        assert changed["spec"] == created["spec"]
        assert "labels" not in changed["metadata"]
        assert "finalizers" not in changed["metadata"]
        assert generation_of(changed) == 1
        assert api.reviews == []

    async def test_a_status_in_an_ordinary_write_is_ignored(self, api: Api):
        body = {**tenant("acme", "jitsi"), "status": {"phase": "Ready"}}
        created = (await api.tenants.call("POST", body=body)).ok()
        patched = await api.tenants.merge("acme", {"status": {"phase": "Ready"}})
        assert "status" not in created
        assert patched == created

    @pytest.mark.parametrize(
        "metadata",
        [{"labels": {"team": "blue"}}, {"annotations": {"note": "x"}}, {"finalizers": [FINALIZER]}],
    )
    async def test_a_change_of_metadata_is_modified_under_the_same_generation(self, api: Api, metadata: Json):
        created = await api.tenants.create("acme", "jitsi")
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            answer = await api.tenants.merge("acme", {"metadata": metadata})
            changed = await next_event(watch, "MODIFIED")
        assert answer == changed
        assert changed["metadata"].items() >= metadata.items()
        assert generation_of(changed) == 1
        assert api.reviews[-1]["operation"] == "UPDATE"
        assert api.reviews[-1]["name"] == "acme"

    async def test_a_write_that_changes_nothing_keeps_the_version_and_is_no_event_though_a_webhook_saw_it(
        self, api: Api
    ):
        created = await api.tenants.create("acme", "jitsi")
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            same = await api.tenants.merge("acme", {"spec": {"packages": ["jitsi"]}})
            marker = await api.tenants.create("marker")
            assert await next_event(watch, "ADDED") == marker
        assert same == created
        assert [review["operation"] for review in api.reviews] == ["CREATE", "UPDATE", "CREATE"]

    async def test_a_dry_run_answers_as_if_and_stores_nothing_though_a_webhook_saw_it(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        api.reviews.clear()
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            ghost = (await api.tenants.call("POST", body=tenant("ghost", "jitsi"), dryRun="All")).ok()
            patched = await api.tenants.merge("acme", {"spec": {"packages": []}}, dryRun="All")
            deleted = (await api.tenants.call("DELETE", f"{PATH}/acme", dryRun="All")).ok()
            by_body = (await api.tenants.call("DELETE", f"{PATH}/acme", {"dryRun": ["All"]})).ok()
            marker = await api.tenants.create("marker")
            assert await next_event(watch, "ADDED") == marker
        assert generation_of(ghost) == 1
        assert "resourceVersion" not in ghost["metadata"]
        assert patched["spec"]["packages"] == []
        assert generation_of(patched) == 2
        assert version_of(patched) == version_of(created)
        assert deleted["status"] == by_body["status"] == "Success"
        assert await api.tenants.get("acme") == created
        assert [(review["operation"], review["dryRun"]) for review in api.reviews] == [
            ("CREATE", True),
            ("UPDATE", True),
            ("DELETE", True),
            ("DELETE", True),
            ("CREATE", False),
        ]

    async def test_a_delete_is_deleted_under_a_new_version_with_the_body_last_stored(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            answer = await api.tenants.delete("acme")
            deleted = await next_event(watch, "DELETED")
        assert answer["kind"] == "Status"
        assert answer["status"] == "Success"
        assert answer["details"]["uid"] == created["metadata"]["uid"]
        assert unversioned(deleted) == unversioned(created)
        assert version_of(deleted) > version_of(created)
        review = api.reviews[-1]
        assert (review["operation"], review["name"], review["object"]) == ("DELETE", "acme", None)
        assert review["oldObject"] == created

    async def test_a_delete_that_a_finalizer_holds_is_a_generation_and_removing_the_last_one_ends_it(self, api: Api):
        created = await api.tenants.create("acme", "jitsi", finalizers=[FINALIZER])
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            answer = await api.tenants.delete("acme")
            held = await next_event(watch, "MODIFIED")
            again = await api.tenants.delete("acme")
            ended = await api.tenants.merge("acme", {"metadata": {"finalizers": None}, "spec": {"packages": ["x"]}})
            deleted = await next_event(watch, "DELETED")
        assert answer == held == again
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", held["metadata"]["deletionTimestamp"])
        assert held["metadata"]["deletionGracePeriodSeconds"] == 0
        assert generation_of(held) == 2
        # The answer shows what was never stored: the old version, the new packages, a generation nobody had.
        assert version_of(ended) == version_of(held)
        assert ended["spec"]["packages"] == ["x"]
        assert generation_of(ended) == 3
        assert unversioned(deleted) == unversioned(held)
        assert version_of(deleted) > version_of(held)
        assert [review["operation"] for review in api.reviews] == ["CREATE", "DELETE", "DELETE", "UPDATE"]
        assert api.reviews[-1]["oldObject"] == held
        assert (await api.tenants.call("GET", f"{PATH}/acme")).refused() == (404, "NotFound")

    async def test_a_spec_change_while_deletion_is_pending_counts_and_a_new_finalizer_is_refused(self, api: Api):
        await api.tenants.create("acme", "jitsi", finalizers=[FINALIZER])
        await api.tenants.delete("acme")
        changed = await api.tenants.merge("acme", {"spec": {"packages": []}})
        patch = {"metadata": {"finalizers": [FINALIZER, "pieced.ch/second"]}}
        refused = await api.tenants.call("PATCH", f"{PATH}/acme", patch, content_type=MERGE)
        assert generation_of(changed) == 3
        assert refused.refused() == (422, "Invalid")
        causes = {(cause["reason"], cause["field"]) for cause in refused.body["details"]["causes"]}
        assert causes == {("FieldValueForbidden", "metadata.finalizers")}

    async def test_a_deletecollection_is_one_deleted_each_and_its_reviews_have_no_name(self, api: Api):
        created = [await api.tenants.create(name, "jitsi") for name in ("delta", "epsilon")]
        held = await api.tenants.create("held", finalizers=[FINALIZER])
        api.reviews.clear()
        async with api.tenants.watch(resourceVersion=held["metadata"]["resourceVersion"]) as watch:
            answer = (await api.tenants.call("DELETE")).ok()
            events = [await watch.next() for _ in range(3)]
        seen = {(event["type"], event["object"]["metadata"]["name"]) for event in events if event}
        assert seen == {("DELETED", "delta"), ("DELETED", "epsilon"), ("MODIFIED", "held")}
        assert answer["kind"] == "PiecedTenantList"
        assert answer["items"] == [*created, held]
        assert [review["operation"] for review in api.reviews] == ["DELETE"] * 3
        assert not any("name" in review for review in api.reviews)
        uids = {obj["metadata"]["uid"] for obj in (*created, held)}
        assert {review["oldObject"]["metadata"]["uid"] for review in api.reviews} == uids

    async def test_the_same_name_created_again_is_another_tenant(self, api: Api):
        first = await api.tenants.create("acme", "jitsi")
        await api.tenants.merge("acme", {"spec": {"packages": []}})
        await api.tenants.delete("acme")
        second = await api.tenants.create("acme", "jitsi")
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert generation_of(second) == 1

    async def test_a_generated_name_is_final_when_the_webhook_sees_it(self, api: Api):
        created = await api.tenants.create("", "jitsi", generateName="trial-")
        assert re.fullmatch(r"trial-[a-z0-9]{5}", created["metadata"]["name"])
        assert created["metadata"]["generateName"] == "trial-"
        assert api.reviews[-1]["name"] == created["metadata"]["name"]

    async def test_a_review_has_the_same_parts_for_every_operation(self, api: Api):
        await api.tenants.create("acme", "jitsi")
        await api.tenants.merge("acme", {"spec": {"packages": []}}, fieldManager="portal")
        await api.tenants.call("DELETE", f"{PATH}/acme", {"propagationPolicy": "Background"})
        kind = {"group": "pieced.ch", "version": "v1alpha1", "kind": "PiecedTenant"}
        resource = {"group": "pieced.ch", "version": "v1alpha1", "resource": "piecedtenants"}
        parts = {"uid", "kind", "resource", "requestKind", "requestResource", "name", "operation", "userInfo"}
        for review, options in zip(api.reviews, ("CreateOptions", "UpdateOptions", "DeleteOptions"), strict=True):
            assert review.keys() == {*parts, "object", "oldObject", "dryRun", "options"}
            assert review["kind"] == review["requestKind"] == kind
            assert review["resource"] == review["requestResource"] == resource
            assert (review["options"]["kind"], review["options"]["apiVersion"]) == (options, "meta.k8s.io/v1")
        assert api.reviews[1]["options"]["fieldManager"] == "portal"
        assert api.reviews[2]["options"]["propagationPolicy"] == "Background"
        assert len({review["uid"] for review in api.reviews}) == 3

    async def test_concurrent_patches_are_one_generation_and_one_event_each(self, api: Api):
        created = await api.tenants.create("acme")
        names = {f"p{n}" for n in range(10)}
        async with api.tenants.watch(resourceVersion=created["metadata"]["resourceVersion"]) as watch:
            patches = [{"spec": {name: True}} for name in names]
            await asyncio.gather(*(api.tenants.merge("acme", patch) for patch in patches))
            events = [await next_event(watch, "MODIFIED") for _ in names]
        assert [generation_of(event) for event in events] == list(range(2, 12))
        versions = [version_of(event) for event in events]
        assert versions == sorted(set(versions))
        assert events[-1]["spec"].keys() == {"packages", *names}
        stored = {version_of(obj): unversioned(obj) for obj in (created, *events)}
        bases = [version_of(review["oldObject"]) for review in api.reviews[1:]]
        assert set(bases) <= stored.keys()
        assert len(bases) >= len(names)

    async def test_who_impersonates_is_not_seen_by_the_webhook(self, api: Api):
        carol = replace(api.alice, headers={"Impersonate-User": "carol"})
        await carol.create("acme", "jitsi")
        assert api.reviews[-1]["userInfo"]["username"] == "carol"
