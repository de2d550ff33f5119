"""What a writer, a watcher and a webhook see of an API server: one suite for the real one and the demo's.

A test module runs it by deriving a class from `Conformance` and giving a fixture `api` of type `Api`, with no
tenants at the start. Where the two servers differ, the demo's is wrong.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.tenants import GROUP, JSON_PATCH, MERGE, PATH, Json, Tenants, Watch, tenant

FINALIZER = "pieced.ch/cleanup"
# What kubectl get sends.
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Api:
    """An API server under test, seen by `admin` and `alice`, with a webhook for CREATE, UPDATE and DELETE."""

    tenants: Tenants
    alice: Tenants
    reviews: list[Json]  # every admission request so far, appended by the webhook
    forget: Callable[[], Awaitable[None]]  # make the server forget all versions before the present one


def version_of(obj: Json) -> int:
    return int(obj["metadata"]["resourceVersion"])


def generation_of(obj: Json) -> int:
    return obj["metadata"]["generation"]


def unversioned(obj: Json) -> Json:
    """The object without its version: what a webhook and a watch must agree on."""
    return {
        **obj,
        "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"},
    }


async def next_event(watch: Watch, kind: str) -> Json:
    """The object of the next event, which must be of this type."""
    event = await watch.next()
    assert event is not None
    assert event["type"] == kind, event
    return event["object"]


class Conformance:
    """The suite. Each test begins with no tenants and no reviews."""

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

    async def test_only_one_of_two_writes_from_the_same_version_is_stored(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        stale = created["metadata"]["resourceVersion"]
        await api.tenants.merge("acme", {"spec": {"packages": []}, "metadata": {"resourceVersion": stale}})
        replaced = await api.tenants.call("PUT", f"{PATH}/acme", created)
        patch = {"metadata": {"resourceVersion": stale, "labels": {"a": "b"}}}
        patched = await api.tenants.call("PATCH", f"{PATH}/acme", patch, content_type=MERGE)
        deleted = await api.tenants.call("DELETE", f"{PATH}/acme", {"preconditions": {"resourceVersion": stale}})
        other_uid = await api.tenants.call("DELETE", f"{PATH}/acme", {"preconditions": {"uid": "0" * 36}})
        for answer in (replaced, patched, deleted, other_uid):
            assert answer.refused() == (409, "Conflict")
            assert (answer.body["details"]["name"], answer.body["details"]["group"]) == ("acme", "pieced.ch")
        assert generation_of(await api.tenants.get("acme")) == 2

    async def test_a_replacement_must_name_the_version_it_replaces(self, api: Api):
        await api.tenants.create("acme", "jitsi")
        answer = await api.tenants.call("PUT", f"{PATH}/acme", tenant("acme"))
        assert answer.refused() == (422, "Invalid")
        assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["metadata.resourceVersion"]

    async def test_a_name_can_live_only_once(self, api: Api):
        await api.tenants.create("acme", "jitsi")
        answer = await api.tenants.call("POST", body=tenant("acme"))
        assert answer.refused() == (409, "AlreadyExists")
        assert answer.body["message"] == 'piecedtenants.pieced.ch "acme" already exists'

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    async def test_a_name_that_is_not_there_is_404(self, api: Api, method: str):
        body = {**tenant("nobody"), "metadata": {"name": "nobody", "resourceVersion": "1"}}
        content_type = MERGE if method == "PATCH" else "application/json"
        sent = body if method in ("PUT", "PATCH") else None
        answer = await api.tenants.call(method, f"{PATH}/nobody", sent, content_type=content_type)
        assert answer.refused() == (404, "NotFound")
        assert answer.body["message"] == 'piecedtenants.pieced.ch "nobody" not found'
        assert answer.body["details"] == {"name": "nobody", "group": "pieced.ch", "kind": "piecedtenants"}

    @pytest.mark.parametrize(
        ("spec", "causes"),
        [
            ({"packages": ["a", "a"]}, [("FieldValueDuplicate", "spec.packages[1]")]),
            ({"packages": [""]}, [("FieldValueInvalid", "spec.packages[0]")]),
            ({"packages": ["a", 7]}, [("FieldValueTypeInvalid", "spec.packages[1]")]),
            ({"packages": "a"}, [("FieldValueTypeInvalid", "spec.packages")]),
            ({"packages": ["x" * 254]}, [("FieldValueTooLong", "spec.packages[0]")]),
            ({"packages": [str(n) for n in range(501)]}, [("FieldValueTooMany", "spec.packages")]),
            ({"suspend": "yes"}, [("FieldValueTypeInvalid", "spec.suspend")]),
        ],
    )
    async def test_an_object_that_breaks_the_schema_is_422_and_reaches_no_webhook(
        self, api: Api, spec: Json, causes: list[tuple[str, str]]
    ):
        await api.tenants.create("acme", "jitsi")
        api.reviews.clear()
        created = await api.tenants.call("POST", body={**tenant("bad"), "spec": spec})
        patched = await api.tenants.call("PATCH", f"{PATH}/acme", {"spec": spec}, content_type=MERGE)
        for answer, name in ((created, "bad"), (patched, "acme")):
            assert answer.refused() == (422, "Invalid")
            assert (
                answer.body["details"].items() >= {"name": name, "group": "pieced.ch", "kind": "PiecedTenant"}.items()
            )
            assert [(cause["reason"], cause["field"]) for cause in answer.body["details"]["causes"]] == causes
        assert api.reviews == []

    async def test_a_null_where_none_is_allowed_is_as_good_as_absent(self, api: Api):
        created = (await api.tenants.call("POST", body={**tenant("acme"), "spec": {"packages": None}})).ok()
        patched = await api.tenants.call("PATCH", f"{PATH}/acme", {"spec": None}, content_type=MERGE)
        assert created["spec"] == {}
        assert patched.refused() == (422, "Invalid")
        [cause] = patched.body["details"]["causes"]
        assert (cause["reason"], cause["field"]) == ("FieldValueRequired", "spec")

    async def test_a_status_time_that_is_none_is_422(self, api: Api):
        await api.tenants.create("acme", "jitsi")
        patch = {"status": {"suspendedAt": "yesterday"}}
        answer = await api.tenants.call("PATCH", f"{PATH}/acme/status", patch, content_type=MERGE)
        assert answer.refused() == (422, "Invalid")
        assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["status.suspendedAt"]

    @pytest.mark.parametrize("name", ["Acme", "a_b", "-a", "x" * 254])
    async def test_a_name_that_is_no_dns_subdomain_is_422(self, api: Api, name: str):
        answer = await api.tenants.call("POST", body=tenant(name))
        assert answer.refused() == (422, "Invalid")
        assert {cause["field"] for cause in answer.body["details"]["causes"]} == {"metadata.name"}

    async def test_a_json_patch_that_does_not_fit_is_422(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        for operation in (
            {"op": "test", "path": "/spec/packages/0", "value": "threema"},
            {"op": "remove", "path": "/spec/nothing"},
        ):
            answer = await api.tenants.call("PATCH", f"{PATH}/acme", [operation], content_type=JSON_PATCH)
            assert answer.refused() == (422, "Invalid")
        assert await api.tenants.get("acme") == created

    async def test_unreadable_bodies_and_formats_are_refused(self, api: Api):
        await api.tenants.create("acme", "jitsi")
        path = f"{PATH}/acme"
        strategic = await api.tenants.call("PATCH", path, {}, content_type="application/strategic-merge-patch+json")
        text = await api.tenants.call("PATCH", path, "text", content_type=MERGE)
        kind = await api.tenants.call("POST", body={**tenant("other"), "kind": "Other"})
        assert strategic.refused() == (415, "UnsupportedMediaType")
        assert text.refused() == (400, "BadRequest")
        assert kind.refused() == (422, "Invalid")

    async def test_a_field_that_the_schema_does_not_know_is_pruned_outside_spec_and_kept_in_it(self, api: Api):
        body = {**tenant("acme"), "extra": 1, "spec": {"packages": [], "extra": {"deep": [1, 2.5]}}}
        created = (await api.tenants.call("POST", body=body)).ok()
        assert "extra" not in created
        assert created["spec"]["extra"] == {"deep": [1, 2.5]}

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

    async def test_a_watch_resumed_from_a_version_gets_exactly_what_followed(self, api: Api):
        first = await api.tenants.create("acme", "jitsi")
        second = await api.tenants.merge("acme", {"spec": {"packages": []}})
        other = await api.tenants.create("other")
        await api.tenants.delete("acme")
        async with api.tenants.watch(resourceVersion=first["metadata"]["resourceVersion"]) as watch:
            assert await next_event(watch, "MODIFIED") == second
            assert await next_event(watch, "ADDED") == other
            deleted = await next_event(watch, "DELETED")
        assert deleted["metadata"]["uid"] == first["metadata"]["uid"]
        assert version_of(first) < version_of(second) < version_of(other) < version_of(deleted)

    @pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
    async def test_a_watch_from_no_version_begins_with_what_lives(self, api: Api, query: dict[str, str]):
        beta = await api.tenants.create("beta")
        alpha = await api.tenants.create("alpha")
        async with api.tenants.watch(**query) as watch:
            initial = [await next_event(watch, "ADDED") for _ in range(2)]
            gamma = await api.tenants.create("gamma")
            assert await next_event(watch, "ADDED") == gamma
        assert sorted(initial, key=version_of) == [beta, alpha]

    async def test_a_watch_from_a_version_in_the_future_is_silent(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        future = str(version_of(created) + 1_000_000)
        present = created["metadata"]["resourceVersion"]
        async with (
            api.tenants.watch(resourceVersion=future, timeoutSeconds="3", allowWatchBookmarks="true") as ahead,
            api.tenants.watch(resourceVersion=present, timeoutSeconds="3", allowWatchBookmarks="true") as healthy,
        ):
            changed = await api.tenants.merge("acme", {"spec": {"packages": []}})
            assert await next_event(healthy, "MODIFIED") == changed
            # As long as a healthy watch lives, long enough for its bookmark, this one says nothing at all.
            assert await next_event(healthy, "BOOKMARK")
            assert await ahead.next() is None

    async def test_a_bookmark_has_a_version_and_nothing_else_and_the_watch_ends_when_it_said(self, api: Api):
        created = await api.tenants.create("acme", "jitsi")
        async with api.tenants.watch(
            resourceVersion=created["metadata"]["resourceVersion"],
            timeoutSeconds="3",
            allowWatchBookmarks="true",
        ) as watch:
            changed = await api.tenants.merge("acme", {"spec": {"packages": []}})
            assert await next_event(watch, "MODIFIED") == changed
            bookmark = await next_event(watch, "BOOKMARK")
            rest = [event async for event in _rest(watch)]
        assert bookmark.keys() == {"apiVersion", "kind", "metadata"}
        assert bookmark["metadata"].keys() == {"resourceVersion"}
        assert (bookmark["apiVersion"], bookmark["kind"]) == ("pieced.ch/v1alpha1", "PiecedTenant")
        assert version_of(bookmark) >= version_of(changed)
        assert {event["type"] for event in rest} <= {"BOOKMARK"}

    async def test_a_watch_without_bookmarks_gets_none(self, api: Api):
        version = await api.tenants.version()
        async with (
            api.tenants.watch(resourceVersion=version, timeoutSeconds="3") as plain,
            api.tenants.watch(resourceVersion=version, timeoutSeconds="3", allowWatchBookmarks="true") as marked,
        ):
            created = await api.tenants.create("acme")
            assert await next_event(plain, "ADDED") == await next_event(marked, "ADDED") == created
            assert await next_event(marked, "BOOKMARK")
            assert await plain.next() is None

    async def test_a_streaming_list_ends_with_a_marked_bookmark_at_a_position(self, api: Api):
        created = [await api.tenants.create(name) for name in ("beta", "alpha")]
        query = {
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "allowWatchBookmarks": "true",
        }
        async with api.tenants.watch(**query) as watch:
            initial = [await next_event(watch, "ADDED") for _ in created]
            bookmark = await next_event(watch, "BOOKMARK")
            later = await api.tenants.merge("beta", {"spec": {"packages": ["x"]}})
            assert await next_event(watch, "MODIFIED") == later
        assert [obj["metadata"]["name"] for obj in initial] == ["alpha", "beta"]
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert version_of(created[-1]) <= version_of(bookmark) < version_of(later)

    async def test_a_streaming_list_must_say_how_old_it_may_be(self, api: Api):
        answer = await api.tenants.call("GET", watch="true", sendInitialEvents="true")
        assert answer.refused() == (422, "Invalid")
        assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["resourceVersionMatch"]

    async def test_a_watch_of_one_name_gets_that_name_only(self, api: Api):
        version = await api.tenants.version()
        async with api.tenants.watch(resourceVersion=version, fieldSelector="metadata.name=acme") as watch:
            await api.tenants.create("other")
            acme = await api.tenants.create("acme")
            assert await next_event(watch, "ADDED") == acme
        assert (await api.tenants.list(fieldSelector="metadata.name=acme"))["items"] == [acme]

    async def test_the_pages_of_a_list_show_the_version_of_the_first(self, api: Api):
        created = [await api.tenants.create(f"t{n}", "jitsi") for n in range(5)]
        first = await api.tenants.list(limit="2")
        await api.tenants.delete("t3")
        await api.tenants.merge("t4", {"spec": {"packages": []}})
        await api.tenants.create("t5")
        second = await api.tenants.list(limit="2", **{"continue": first["metadata"]["continue"]})
        third = await api.tenants.list(limit="2", **{"continue": second["metadata"]["continue"]})
        assert [*first["items"], *second["items"], *third["items"]] == created
        assert first["metadata"]["remainingItemCount"] == 3
        assert third["metadata"]["continue"] == ""
        versions = {each["metadata"]["resourceVersion"] for each in (first, second, third)}
        assert len(versions) == 1
        assert version_of(first) >= version_of(created[-1])
        assert (first["kind"], first["apiVersion"]) == ("PiecedTenantList", "pieced.ch/v1alpha1")

    async def test_a_forgotten_version_is_410_within_the_stream_and_on_the_next_page(self, api: Api):
        created = [await api.tenants.create(f"t{n}") for n in range(3)]
        page = await api.tenants.list(limit="2")
        await api.tenants.merge("t0", {"spec": {"packages": ["x"]}})
        await api.forget()
        async with api.tenants.watch(resourceVersion=created[0]["metadata"]["resourceVersion"]) as watch:
            status = await next_event(watch, "ERROR")
            assert await watch.next() is None
        assert (status["kind"], status["apiVersion"]) == ("Status", "v1")
        assert (status["status"], status["code"], status["reason"]) == ("Failure", 410, "Expired")
        answer = await api.tenants.call("GET", **{"limit": "2", "continue": page["metadata"]["continue"]})
        assert answer.refused() == (410, "Expired")

    async def test_a_list_at_a_version_in_the_future_is_504(self, api: Api):
        future = str(int(await api.tenants.version()) + 1_000_000)
        answer = await api.tenants.call("GET", resourceVersion=future)
        assert answer.refused() == (504, "Timeout")
        assert [cause["reason"] for cause in answer.body["details"]["causes"]] == ["ResourceVersionTooLarge"]

    async def test_who_impersonates_is_not_seen_by_the_webhook(self, api: Api):
        carol = replace(api.alice, headers={"Impersonate-User": "carol"})
        await carol.create("acme", "jitsi")
        assert api.reviews[-1]["userInfo"]["username"] == "carol"

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

    async def test_a_table_has_the_printer_columns(self, api: Api):
        body = {**tenant("acme"), "spec": {"packages": ["jitsi", "threema"], "suspend": False}}
        created = (await api.tenants.call("POST", body=body)).ok()
        await api.tenants.call("POST", body={**tenant("bare"), "spec": {}})
        listed = (await api.tenants.call("GET", headers={"Accept": TABLE})).ok()
        one = (await api.tenants.call("GET", f"{PATH}/acme", headers={"Accept": TABLE})).ok()
        async with api.tenants.watch(accept=TABLE) as watch:
            events = [await next_event(watch, "ADDED") for _ in range(2)]
        assert (listed["kind"], listed["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [(column["name"], column["type"], column["format"]) for column in listed["columnDefinitions"]] == [
            ("Name", "string", "name"),
            ("Packages", "string", ""),
            ("Suspended", "boolean", ""),
            ("Age", "date", ""),
        ]
        acme, bare = listed["rows"]
        assert acme["cells"][:3] == ["acme", '["jitsi","threema"]', False]
        assert bare["cells"][:3] == ["bare", None, None]
        assert re.fullmatch(r"\d+s", acme["cells"][3])
        assert acme["object"]["kind"] == "PartialObjectMetadata"
        assert acme["object"]["metadata"]["uid"] == created["metadata"]["uid"]
        assert one["rows"][0]["cells"][:3] == acme["cells"][:3]
        assert [event["rows"][0]["cells"][0] for event in events] == ["acme", "bare"]
        assert events[0]["columnDefinitions"] == listed["columnDefinitions"]
        assert events[1]["columnDefinitions"] is None

    async def test_discovery_names_the_resource_and_its_status(self, api: Api):
        document = (await api.tenants.call("GET", GROUP)).ok()
        resources = {resource["name"]: resource for resource in document["resources"]}
        assert document["groupVersion"] == "pieced.ch/v1alpha1"
        assert resources.keys() == {"piecedtenants", "piecedtenants/status"}
        tenants = resources["piecedtenants"]
        assert (tenants["kind"], tenants["namespaced"], tenants["shortNames"]) == (
            "PiecedTenant",
            False,
            ["pt"],
        )
        assert set(tenants["verbs"]) == {
            "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
        }  # fmt: skip
        group = (await api.tenants.call("GET", "/apis/pieced.ch")).ok()
        assert group["preferredVersion"]["groupVersion"] == "pieced.ch/v1alpha1"
        groups = (await api.tenants.call("GET", "/apis")).ok()["groups"]
        assert "pieced.ch" in {each["name"] for each in groups}

    async def test_the_cluster_has_a_uid_and_every_answer_a_date(self, api: Api):
        first = await api.tenants.call("GET", "/api/v1/namespaces/kube-system")
        second = await api.tenants.call("GET", "/api/v1/namespaces/kube-system")
        assert len(first.ok()["metadata"]["uid"]) == 36
        assert first.body["metadata"]["uid"] == second.body["metadata"]["uid"]
        assert first.headers["Date"].endswith(" GMT")
        assert (await api.tenants.call("GET", "/readyz")).status == 200


async def _rest(watch: Watch):
    while (event := await watch.next()) is not None:
        yield event
