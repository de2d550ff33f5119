"""Lists, pages, tables, and what a client can discover."""

import re

from tests.support.conformance.api import TABLE, Api, next_event, version_of
from tests.support.tenants import GROUP, PATH, tenant


class Reads:
    """Part of the suite: lists, pages, tables, and what a client can discover."""

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

    async def test_a_list_at_a_version_in_the_future_is_504(self, api: Api):
        future = str(int(await api.tenants.version()) + 1_000_000)
        answer = await api.tenants.call("GET", resourceVersion=future)
        assert answer.refused() == (504, "Timeout")
        assert [cause["reason"] for cause in answer.body["details"]["causes"]] == ["ResourceVersionTooLarge"]

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
