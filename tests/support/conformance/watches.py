"""Where a watch begins, what it delivers, when it is silent and how it ends."""

from collections.abc import AsyncIterator

import pytest

from tests.support.conformance.api import Api, next_event, version_of
from tests.support.tenants import Json, Watch


class Watches:
    """Part of the suite: where a watch begins, what it delivers, when it is silent and how it ends."""

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
            api.tenants.watch(resourceVersion=future, timeoutSeconds="6", allowWatchBookmarks="true") as ahead,
            api.tenants.watch(resourceVersion=present, timeoutSeconds="6", allowWatchBookmarks="true") as healthy,
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
            timeoutSeconds="6",
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
            api.tenants.watch(resourceVersion=version, timeoutSeconds="6") as plain,
            api.tenants.watch(resourceVersion=version, timeoutSeconds="6", allowWatchBookmarks="true") as marked,
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


async def _rest(watch: Watch) -> AsyncIterator[Json]:
    """All that is left of the stream."""
    while (event := await watch.next()) is not None:
        yield event
