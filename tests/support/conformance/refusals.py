"""What is refused, with which code, reason and causes; and what is quietly dropped."""

import pytest

from tests.support.conformance.api import Api, generation_of
from tests.support.tenants import JSON_PATCH, MERGE, PATH, Json, tenant


class Refusals:
    """Part of the suite: what is refused, with which code, reason and causes; and what is quietly dropped."""

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
