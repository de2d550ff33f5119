"""The routes, and the server's life."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import msgspec
from aiohttp import web

from sidecar.demo.apiserver import discovery, reads, tables, watching
from sidecar.demo.apiserver.admission import Admission, Webhook
from sidecar.demo.apiserver.operations import Operations
from sidecar.demo.apiserver.requests import json_object, patch_of, write_of
from sidecar.demo.apiserver.resource import PIECED_TENANTS, Json, Resource
from sidecar.demo.apiserver.statuses import Refusal
from sidecar.demo.apiserver.store import Store

# kube-apiserver's limit for a request body (MaxRequestBodyBytes).
_BODY_BYTES = 3 * 1024 * 1024


@asynccontextmanager
async def serving(
    store: Store,
    *,
    port: int = 0,
    bookmark_seconds: float = 60.0,
    webhooks: Sequence[Webhook] = (),
    resource: Resource = PIECED_TENANTS,
) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 and yield the URL; `port` 0 takes a free one. Open watches end with the block.

    `bookmark_seconds`: how often a watch gets a bookmark; a real server says 60, a test wants fewer.
    """
    async with aiohttp.ClientSession() as session:
        operations = Operations(resource, store, Admission(resource, webhooks, session))
        # A watcher that hangs up ends its handler at once, not at the next event.
        runner = web.AppRunner(
            _Api(resource, store, operations, bookmark_seconds).application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.1,  # watches never end by themselves, so there is nothing to wait for
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


class _Api:
    def __init__(self, resource: Resource, store: Store, operations: Operations, bookmark_seconds: float) -> None:
        self._resource = resource
        self._store = store
        self._operations = operations
        self._bookmark_seconds = bookmark_seconds

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_BYTES, middlewares=[_refusals])
        for path, document in discovery.documents(self._resource, datetime.now(UTC)).items():
            app.router.add_get(path, _fixed(document))
        for path in ("/readyz", "/livez", "/healthz"):
            app.router.add_get(path, _ok)
        collection, one = self._resource.path, f"{self._resource.path}/{{name}}"
        app.router.add_get(collection, self._list_or_watch)
        app.router.add_post(collection, self._create)
        app.router.add_delete(collection, self._delete_collection)
        for path in (one, f"{one}/status"):
            app.router.add_get(path, self._get)
            app.router.add_put(path, self._replace)
            app.router.add_patch(path, self._patch)
        app.router.add_delete(one, self._delete)
        return app

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") in ("true", "1"):
            return await self._watch(request)
        objects, metadata = reads.page(self._store, request.query)
        if tables.wanted(request.headers.get("Accept", "")):
            return _json(tables.table(objects, metadata))
        return _json(self._list_of(objects, metadata))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        watch = watching.asked(self._resource, request.query, request.headers.get("Accept", ""))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async with aclosing(watching.events(self._resource, self._store, watch, self._bookmark_seconds)) as events:
            async for event in events:
                await response.write(msgspec.json.encode(event, order="sorted") + b"\n")
        return response

    async def _get(self, request: web.Request) -> web.Response:
        obj = self._operations.living(request.match_info["name"])
        if tables.wanted(request.headers.get("Accept", "")):
            return _json(tables.table([obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}))
        return _json(obj)

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        return _json(await self._operations.create(body, write_of(request, "CreateOptions")), 201)

    async def _replace(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        return await self._update(request, lambda _: body)

    async def _patch(self, request: web.Request) -> web.Response:
        return await self._update(request, await patch_of(request))

    async def _update(self, request: web.Request, change: Callable[[Json], Json]) -> web.Response:
        name, status = request.match_info["name"], request.path.endswith("/status")
        write = write_of(request, "UpdateOptions")  # a patch, too, is shown to webhooks as an update
        return _json(await self._operations.update(name, change, write, status=status))

    async def _delete(self, request: web.Request) -> web.Response:
        write = write_of(request, "DeleteOptions", await json_object(request))
        return _json(await self._operations.delete(request.match_info["name"], write))

    async def _delete_collection(self, request: web.Request) -> web.Response:
        write = write_of(request, "DeleteOptions", await json_object(request))
        objects, metadata = reads.page(self._store, request.query)
        await self._operations.delete_collection(objects, write)
        return _json(self._list_of(objects, metadata))

    def _list_of(self, objects: list[Json], metadata: Json) -> Json:
        kind = f"{self._resource.kind}List"
        return {
            "apiVersion": self._resource.api_version,
            "kind": kind,
            "metadata": metadata,
            "items": objects,
        }


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return _json(refusal.status, refusal.code)


def _fixed(document: Json) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return _json(document)

    return answer


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def _json(body: Json, code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body, order="sorted"), status=code, content_type="application/json")
