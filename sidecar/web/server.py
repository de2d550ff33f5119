"""The plain HTTP server: health, metrics, the admin API and its OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from sidecar.settings import Address
from sidecar.web import reading
from sidecar.web.callers import Callers
from sidecar.web.listening import listening
from sidecar.web.problems import Problem, problems_answered
from sidecar.web.routes import ROUTES
from sidecar.web.routing import ADMIN, Call, NoQuery, Parts, Reply, Route

# Bytes. The largest body, an organisation's configuration with every text at its limit of 200 characters of four
# bytes, is under 12 KiB.
_BODY_MOST = 64 * 2**10

# Seconds until a body must be there: 64 KiB at 56 kbit/s. Headers have as long as an idle connection.
_BODY_SECONDS = 10.0
_IDLE_SECONDS = 30.0

# Seconds that what is still being sent is read and thrown away after an answer, so that the client gets to read it.
_LINGER_SECONDS = 2.0

# Seconds for requests that run when the server stops: a statement's limit in Postgres is 10, and Kubernetes kills
# some time later. A backfill that takes longer is cut; what it has handed to the spool is delivered all the same.
_LAST_SECONDS = 12.0

_BY = web.RequestKey("by", str)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()


@asynccontextmanager
async def serving(address: Address, parts: Parts, callers: Callers) -> AsyncIterator[int]:
    """Serves until the block ends; gives the port. At the end, requests that run have 12 s to finish.

    Raises `Misconfigured` if the address cannot be had.
    """
    app = web.Application(client_max_size=_BODY_MOST, middlewares=[problems_answered, _known_callers(callers)])
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route, parts))
    async with listening(
        app,
        address,
        "SIDECAR_HTTP",
        idle_seconds=_IDLE_SECONDS,
        last_seconds=_LAST_SECONDS,
        linger_seconds=_LINGER_SECONDS,
    ) as port:
        yield port


def _known_callers(callers: Callers) -> Middleware:
    @web.middleware
    async def checked(request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Below the admin API, nobody learns anything, not even what exists, before they have shown who they are."""
        if not request.path.startswith(ADMIN):
            return await handler(request)
        given = request.headers.getall("Authorization", [])
        request[_BY] = await callers.check(given, request.path, request.method.lower())
        response = await handler(request)
        response.headers["Cache-Control"] = "no-store"
        if request.method != "GET":
            _log.info(
                "admin_changed", by=request[_BY], method=request.method, path=request.path, status=response.status
            )
        return response

    return checked


def _handler(route: Route, parts: Parts) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        return _answer(route, await route.act(parts, await _call(route, request)))

    return handle


async def _call(route: Route, request: web.Request) -> Call:
    if not route.needs_caller:  # probes and scrapers add parameters of their own: not our concern
        return Call(by="", path={}, query=NoQuery(), body=None, expected=None)
    by = request[_BY]
    path = reading.path(request.match_info)
    query = reading.query(list(request.query.items()), route.query)
    expected = reading.if_match(request.headers.getall("If-Match", [])) if route.conditional else None
    body = await _body(route.body, request)
    return Call(by=by, path=path, query=query, body=body, expected=expected)


async def _body(shape: type[msgspec.Struct] | None, request: web.Request) -> msgspec.Struct | None:
    if shape is None:
        if request.can_read_body:
            raise Problem(422, "This takes no body.")
        return None
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise Problem(415, "The body must be application/json, in UTF-8.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            content = await request.read()
    except TimeoutError as error:
        raise Problem(408, f"The body was not there after {_BODY_SECONDS:.0f} s.", {"Connection": "close"}) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Problem(400, f"The body cannot be read: {error}") from error
    return reading.body(content, shape)


def _answer(route: Route, reply: Reply) -> web.Response:
    headers = {"ETag": f'"{reply.version}"'} if reply.version is not None else {}
    if reply.content is None:
        return web.Response(status=route.status, headers=headers)
    content = reply.content if isinstance(reply.content, bytes) else msgspec.json.encode(reply.content)
    return web.Response(body=content, headers={**headers, "Content-Type": route.media_type})
