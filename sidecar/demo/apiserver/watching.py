"""The watch: one JSON line an event, from the store's history and then as it grows."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sidecar.demo.apiserver import tables
from sidecar.demo.apiserver.reads import number, selected_name
from sidecar.demo.apiserver.resource import Json, Resource
from sidecar.demo.apiserver.statuses import expired, invalid
from sidecar.demo.apiserver.store import Change, Forgotten, Store

# kube-apiserver's --min-request-timeout: how long a watch lasts at least if the client does not say.
_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Watch:
    """What a client asked for. `since` 0: all that lives now, then what follows."""

    since: int
    name: str | None
    seconds: int
    bookmarks: bool
    initial_events_end: bool
    as_table: bool


def asked(resource: Resource, query: Mapping[str, str], accept: str) -> Watch:
    """The watch that these parameters ask for. Raises `Refusal`."""
    initial = query.get("sendInitialEvents") == "true"
    if initial and query.get("resourceVersionMatch") != "NotOlderThan":
        message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        cause = {"reason": "FieldValueForbidden", "message": message, "field": "resourceVersionMatch"}
        raise invalid(resource, "", [cause])
    return Watch(
        since=0 if initial else number(query, "resourceVersion"),
        name=selected_name(query),
        seconds=number(query, "timeoutSeconds") or _TIMEOUT_SECONDS,
        bookmarks=query.get("allowWatchBookmarks") == "true",
        initial_events_end=initial,
        as_table=tables.wanted(accept),
    )


async def events(resource: Resource, store: Store, watch: Watch, bookmark_seconds: float) -> AsyncGenerator[Json, None]:
    """The watch's events until its time is up; or until the history has passed it by, which it says.

    A version that the store has not reached gets what is above it, once it comes: until then silence. And
    a bookmark comes only when there is news: one for the version that the watch began at says nothing.
    """
    shape = _Shape(resource, watch)
    loop = asyncio.get_running_loop()
    end = loop.time() + watch.seconds
    next_bookmark = loop.time() + bookmark_seconds
    start = position = watch.since or store.version
    if not watch.since:
        for event in shape.initial(store.at(position), position):
            yield event
    while loop.time() < end:
        try:
            changes = store.after(position)
        except Forgotten:
            yield shape.too_old(position, store.version)
            return
        for event in shape.changes(changes):
            yield event
        position = changes[-1].version if changes else position
        if loop.time() >= next_bookmark:
            next_bookmark = loop.time() + bookmark_seconds
            if watch.bookmarks and start < position <= store.version:
                yield shape.bookmark(position)
        if store.version <= position:  # nothing was committed while the lines above were sent
            await _moved(store, min(end, next_bookmark) - loop.time())


async def _moved(store: Store, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await store.moved()
    except TimeoutError:
        return  # time for a bookmark, or for the end


class _Shape:
    """How this watch's events look: objects, or tables of one row, of which the first defines the columns."""

    def __init__(self, resource: Resource, watch: Watch) -> None:
        self._resource = resource
        self._watch = watch
        self._columns = True

    def initial(self, living: Iterable[Json], version: int) -> Iterator[Json]:
        yield from (self._event("ADDED", obj) for obj in living if self._selects(obj))
        if self._watch.initial_events_end and self._watch.bookmarks:
            yield self.bookmark(version, {"annotations": {"k8s.io/initial-events-end": "true"}})

    def changes(self, changes: Iterable[Change]) -> Iterator[Json]:
        yield from (self._event(change.type, change.object) for change in changes if self._selects(change.object))

    def bookmark(self, version: int, also: Json | None = None) -> Json:
        metadata = {"resourceVersion": str(version), **(also or {})}
        body = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return self._event("BOOKMARK", body)

    def too_old(self, position: int, present: int) -> Json:
        return {
            "type": "ERROR",
            "object": expired(f"too old resource version: {position} ({present})").status,
        }

    def _selects(self, obj: Json) -> bool:
        return self._watch.name in (None, obj["metadata"]["name"])

    def _event(self, kind: str, obj: Json) -> Json:
        if self._watch.as_table:
            obj = tables.table([obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, columns=self._columns)
            self._columns = False
        return {"type": kind, "object": obj}
